//! What lies between a program and its server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a connection is cut when a message of the program passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// It does not arrive.
    Before,
    /// A part of it arrives.
    Within,
    /// It arrives, its answer does not.
    After,
}

/// Passes everything on, and cuts connections when it is told to.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    behind: u16,
    cutting: AtomicBool,
    cuts: AtomicU64,
    random: Mutex<StdRng>,
}

/// While it cuts, one of so many messages is hit.
const ONE_OF: u32 = 40;

impl Proxy {
    pub(crate) async fn before(behind: u16, seed: u64) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            behind,
            cutting: AtomicBool::default(),
            cuts: AtomicU64::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
        });
        let passing = shared.clone();
        tokio::spawn(async move {
            while let Ok((program, _)) = listener.accept().await {
                let shared = passing.clone();
                tokio::spawn(async move { shared.pass(program).await });
            }
        });
        Proxy { port, shared }
    }

    /// From now on connections are cut, or not any more.
    pub(crate) fn cut(&self, cutting: bool) {
        self.shared.cutting.store(cutting, Ordering::Relaxed);
    }

    /// How many connections it has cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// How this message's connection is cut, if it is.
    fn fate(&self) -> Option<Cut> {
        if !self.cutting.load(Ordering::Relaxed) {
            return None;
        }
        let mut random = self.random.lock().unwrap();
        let cuts = [Cut::Before, Cut::Within, Cut::After];
        let fate = (random.random_range(0..ONE_OF) == 0).then(|| cuts[random.random_range(0..3)]);
        self.cuts.fetch_add(fate.is_some().into(), Ordering::Relaxed);
        fate
    }

    async fn pass(&self, mut program: TcpStream) {
        let Ok(mut server) = TcpStream::connect(("127.0.0.1", self.behind)).await else { return };
        let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            tokio::select! {
                read = program.read(&mut asked) => match (read, self.fate()) {
                    (Err(_) | Ok(0), _) | (_, Some(Cut::Before)) => return,
                    (Ok(many), Some(Cut::Within)) => {
                        _ = server.write_all(&asked[..many / 2]).await;
                        return;
                    }
                    (Ok(many), Some(Cut::After)) => {
                        _ = server.write_all(&asked[..many]).await;
                        // It is done by the time that the answer would be passed on.
                        _ = server.read(&mut answered).await;
                        return;
                    }
                    (Ok(many), None) => {
                        if server.write_all(&asked[..many]).await.is_err() {
                            return;
                        }
                    }
                },
                read = server.read(&mut answered) => match read {
                    Err(_) | Ok(0) => return,
                    Ok(many) => {
                        if program.write_all(&answered[..many]).await.is_err() {
                            return;
                        }
                    }
                },
            }
        }
    }
}
