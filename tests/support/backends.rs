//! One body, each storage.

/// Makes tests of bodies that take a [`Bed`](super::Bed): `memory::name`, `sqlite::name` and, where
/// there are servers, `postgres::name` and `mysql::name` of each.
///
/// - `backends!(a, b)`: on one thread.
/// - `backends!(a, b on threads)`: `b` on two, where what runs at once is what it is about.
/// - `backends!(in virtual time: a, b)`: on a clock that only the body moves.
/// - `backends!(only sqlite: a, b)`: what memory does not offer.
macro_rules! backends {
    (@ postgres $name:ident) => {
        #[tokio::test]
        async fn $name() {
            let Some(bed) = crate::support::Bed::postgres().await else { return };
            crate::support::soon(super::$name(bed)).await;
        }
    };
    (@ postgres $name:ident on threads) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let Some(bed) = crate::support::Bed::postgres().await else { return };
            crate::support::soon(super::$name(bed)).await;
        }
    };
    (@ postgres $name:ident in virtual time) => {
        #[tokio::test]
        async fn $name() {
            let Some(bed) = crate::support::Bed::postgres().await else { return };
            crate::support::soon(super::$name(bed.with_virtual_time())).await;
        }
    };
    (@ mysql $name:ident) => {
        #[tokio::test]
        async fn $name() {
            let Some(bed) = crate::support::Bed::mysql().await else { return };
            crate::support::soon(super::$name(bed)).await;
        }
    };
    (@ mysql $name:ident on threads) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let Some(bed) = crate::support::Bed::mysql().await else { return };
            crate::support::soon(super::$name(bed)).await;
        }
    };
    (@ mysql $name:ident in virtual time) => {
        #[tokio::test]
        async fn $name() {
            let Some(bed) = crate::support::Bed::mysql().await else { return };
            crate::support::soon(super::$name(bed.with_virtual_time())).await;
        }
    };
    (@ $place:ident $name:ident) => {
        #[tokio::test]
        async fn $name() {
            crate::support::soon(super::$name(crate::support::Bed::$place())).await;
        }
    };
    (@ $place:ident $name:ident on threads) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            crate::support::soon(super::$name(crate::support::Bed::$place())).await;
        }
    };
    (@ $place:ident $name:ident in virtual time) => {
        #[tokio::test]
        async fn $name() {
            let bed = crate::support::Bed::$place().with_virtual_time();
            crate::support::soon(super::$name(bed)).await;
        }
    };
    (in virtual time: $($name:ident),+ $(,)?) => {
        crate::support::backends!($($name in virtual time),+);
    };
    (only $place:ident: $($name:ident),+ $(,)?) => {
        mod $place {
            $(crate::support::backends!(@ $place $name);)+
        }
    };
    ($($name:ident $($mode:ident)*),+ $(,)?) => {
        mod memory {
            $(crate::support::backends!(@ memory $name $($mode)*);)+
        }
        mod sqlite {
            $(crate::support::backends!(@ sqlite $name $($mode)*);)+
        }
        mod postgres {
            $(crate::support::backends!(@ postgres $name $($mode)*);)+
        }
        mod mysql {
            $(crate::support::backends!(@ mysql $name $($mode)*);)+
        }
    };
}
pub(crate) use backends;
