//! Blocks that another macro writes, with types, names and values that it was given.
use cluster::prelude::*;

macro_rules! counter {
    ($vis:vis $name:ident, $number:ty, $timeout:literal) => {
        #[derive(Entity, Default, Serialize, Deserialize)]
        #[entity(durable, idle = $timeout)]
        $vis struct $name {
            value: $number,
        }

        #[entity]
        impl $name {
            #[message(persisted, timeout = $timeout)]
            $vis fn add(&mut self, amount: $number) -> Result<$number, String> {
                self.value += amount;
                Ok(self.value)
            }

            #[message]
            $vis fn value(&self) -> $number {
                self.value
            }
        }
    };
}

counter!(pub Long, i64, "10s");
counter!(Short, i16, "1s");

pub(crate) fn main() {
    let mut long = Long::default();
    assert_eq!(long.add(5), Ok(5));
    assert_eq!(Short::default().value(), 0);
}
