//! What a database server counts by itself while a case runs.

/// What a server has counted: since it started, or between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transactions that were committed, those of a single statement included.
    pub commits: u64,
    /// Statements that were run, those inside of others included; `None` where the server cannot
    /// count them.
    pub statements: Option<u64>,
    /// What clients asked, where one question may hold many statements.
    pub packets: Option<u64>,
    /// Rows that were inserted, changed or deleted.
    pub rows: u64,
}

impl Counts {
    /// What was counted since an earlier look.
    pub fn since(self, before: Counts) -> Counts {
        let less = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
        Counts {
            commits: self.commits.saturating_sub(before.commits),
            statements: less(self.statements, before.statements),
            packets: less(self.packets, before.packets),
            rows: self.rows.saturating_sub(before.rows),
        }
    }

    /// Names and figures for each of so many operations, of what was counted.
    pub(crate) fn per_operation(self, operations: u64) -> Vec<(&'static str, f64)> {
        let counted = [
            ("commits_per_op", Some(self.commits)),
            ("statements_per_op", self.statements),
            ("packets_per_op", self.packets),
            ("rows_per_op", Some(self.rows)),
        ];
        let operations = operations.max(1) as f64;
        let counted = counted.into_iter();
        counted.filter_map(|(name, count)| Some((name, count? as f64 / operations))).collect()
    }
}

#[test]
fn what_was_counted_is_divided_by_the_operations() {
    let before = Counts { commits: 10, statements: Some(5), packets: None, rows: 7 };
    let now = Counts { commits: 30, statements: Some(45), packets: Some(3), rows: 307 };
    let figures = now.since(before).per_operation(100);
    let expected = [("commits_per_op", 0.2), ("statements_per_op", 0.4), ("rows_per_op", 3.0)];
    assert_eq!(figures, expected);
}
