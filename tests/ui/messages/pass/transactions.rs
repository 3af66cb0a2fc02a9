//! Whether a request runs in a transaction may depend on its arguments.
use cluster::__private::Message;
use cluster::prelude::*;

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Orders {
    open: u32,
}

mod rules {
    pub fn is_large(sku: &str, pieces: &u32) -> bool {
        !sku.is_empty() && *pieces > 10
    }
}

#[entity]
impl Orders {
    #[message(persisted, transaction)]
    fn place(&mut self, pieces: u32) {
        self.open += pieces;
    }

    #[message(persisted, transaction = rules::is_large)]
    fn order(&mut self, sku: String, ctx: &Context, pieces: u32) {
        let _ = (ctx, sku);
        self.open += pieces;
    }

    #[message(persisted, transaction = Self::is_last)]
    fn close(&mut self, pieces: u32) {
        self.open -= pieces;
    }

    fn is_last(pieces: &u32) -> bool {
        *pieces == 1
    }
}

pub(crate) fn main() {
    assert!(OrdersPlace { pieces: 1 }.transaction());
    assert!(OrdersOrder { sku: "a".into(), pieces: 11 }.transaction());
    assert!(!OrdersOrder { sku: "a".into(), pieces: 10 }.transaction());
    assert!(!OrdersClose { pieces: 2 }.transaction());
}
