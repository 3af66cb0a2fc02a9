//! One body, each storage.

/// Makes tests of bodies that take a [`Bed`](super::Bed): `memory::name`, `sqlite::name` and, where
/// there are servers, `postgres::name` and `mysql::name` of each.
///
/// - `backends!(a, b)`: on one thread.
/// - `backends!(a, b on threads)`: `b` on two, where what runs at once is what it is about.
/// - `backends!(in virtual time: a, b)`: on a clock that only the body moves.
/// - `backends!(on disk: a, b)`: not in memory, which processes do not share.
/// - `backends!(only sqlite: a, b)`: what only one has.
macro_rules! backends {
    (@ $place:ident $name:ident) => {
        #[tokio::test]
        async fn $name() {
            let Some(bed) = crate::support::Bed::on(stringify!($place)).await else { return };
            crate::support::soon(super::$name(bed)).await;
        }
    };
    (@ $place:ident $name:ident on threads) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let Some(bed) = crate::support::Bed::on(stringify!($place)).await else { return };
            crate::support::soon(super::$name(bed)).await;
        }
    };
    (@ $place:ident $name:ident in virtual time) => {
        #[tokio::test]
        async fn $name() {
            let Some(bed) = crate::support::Bed::on(stringify!($place)).await else { return };
            crate::support::soon(super::$name(bed.with_virtual_time())).await;
        }
    };
    (in virtual time: $($name:ident),+ $(,)?) => {
        crate::support::backends!($($name in virtual time),+);
    };
    (on disk: $($name:ident $($mode:ident)*),+ $(,)?) => {
        crate::support::backends!(only sqlite: $($name $($mode)*),+);
        crate::support::backends!(only postgres: $($name $($mode)*),+);
        crate::support::backends!(only mysql: $($name $($mode)*),+);
    };
    (only $place:ident: $($name:ident $($mode:ident)*),+ $(,)?) => {
        mod $place {
            $(crate::support::backends!(@ $place $name $($mode)*);)+
        }
    };
    ($($name:ident $($mode:ident)*),+ $(,)?) => {
        crate::support::backends!(only memory: $($name $($mode)*),+);
        crate::support::backends!(on disk: $($name $($mode)*),+);
    };
}
pub(crate) use backends;
