//! Statements that one database has alone.

/// Makes a list of names and texts, and the type `Own` of the names.
macro_rules! own {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        /// A statement of this database alone.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Own {
            $($(#[$doc])* $name,)*
        }

        impl Own {
            /// All of them, each at the place of its number.
            const ALL: &[(&str, &str)] = &[$((stringify!($name), $text),)*];
        }
    };
}

pub(crate) use own;
