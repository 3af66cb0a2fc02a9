//! An entity that nobody else knows of.
use cluster::prelude::*;

pub(crate) fn main() {
    #[derive(Entity, Default)]
    struct Local;

    #[entity]
    impl Local {
        #[message]
        pub fn echo(&self, text: String) -> String {
            text
        }
    }

    let _ = Cluster::builder().entity::<Local>();
    assert_eq!(Local.echo("a".into()), "a");
}
