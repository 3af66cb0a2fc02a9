//! A way to a server that ends when the server has said that a commit is done, and no more.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a database's commits are told from all else.
#[derive(Clone, Copy)]
pub(crate) struct Commits {
    /// What stands in a packet that commits a transaction of a user, and in no other one.
    pub(crate) asked: &'static [u8],
    /// How many bytes of the answer say that it is done, if it says so.
    pub(crate) said: fn(&[u8]) -> Option<usize>,
}

/// The same URL by this way: each connection passes everything on until a packet that
/// commits. Of its answer it passes on what says that the commit is done, and is cut.
pub(crate) async fn cut_after_commits(url: &str, commits: Commits) -> String {
    let place = url.split_once('@').map_or(url, |(_, place)| place);
    let place = place.split(['/', '?']).next().expect("a part").to_owned();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let url = url.replace(&place, &format!("127.0.0.1:{port}"));
    tokio::spawn(async move {
        while let Ok((program, _)) = listener.accept().await {
            let server = TcpStream::connect(&place).await.expect("the server is there");
            tokio::spawn(pass(program, server, commits));
        }
    });
    url
}

async fn pass(mut program: TcpStream, mut server: TcpStream, commits: Commits) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    // What was answered to the message that commits.
    let mut answer: Option<Vec<u8>> = None;
    loop {
        tokio::select! {
            read = program.read(&mut asked) => {
                let Some(message) = part(&asked, read) else { return };
                if message.windows(commits.asked.len()).any(|part| part == commits.asked) {
                    answer = Some(Vec::new());
                }
                server.write_all(message).await.expect("the server reads");
            }
            read = server.read(&mut answered) => {
                let Some(message) = part(&answered, read) else { return };
                let Some(answer) = &mut answer else {
                    program.write_all(message).await.expect("the program reads");
                    continue;
                };
                answer.extend_from_slice(message);
                if let Some(bytes) = (commits.said)(answer) {
                    return program.write_all(&answer[..bytes]).await.expect("the program reads");
                }
            }
        }
    }
}

/// What was read, unless that was the end.
fn part(buffer: &[u8], read: std::io::Result<usize>) -> Option<&[u8]> {
    read.ok().filter(|bytes| *bytes > 0).map(|bytes| &buffer[..bytes])
}
