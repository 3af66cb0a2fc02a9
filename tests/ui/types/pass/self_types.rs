//! `Self` in arguments and replies is the entity.
use cluster::prelude::*;

trait Kind {
    type Id;
}

#[derive(Entity, Default, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[entity(durable)]
struct Account {
    cents: i64,
}

impl Kind for Account {
    type Id = u32;
}

#[entity]
impl Account {
    #[message]
    fn copy(&self) -> Self {
        self.clone()
    }

    #[message(persisted)]
    fn merge(&mut self, others: Vec<Self>, id: <Self as Kind>::Id) -> Result<Option<Self>, String> {
        let _ = id;
        self.cents += others.iter().map(|other| other.cents).sum::<i64>();
        Ok(Some(self.clone()))
    }

    #[message]
    fn unit(&self, by: std::borrow::Cow<'static, str>) -> [u8; Self::SIZE] {
        let _ = by;
        [0; Self::SIZE]
    }
}

impl Account {
    const SIZE: usize = 4;
}

async fn use_it(account: AccountClient) -> Result<Account, CallError<String>> {
    let copy: Account = account.copy().await?;
    account.merge(vec![copy], 7u32).await.map(|merged| merged.unwrap())
}

pub(crate) fn main() {
    let _ = use_it;
}
