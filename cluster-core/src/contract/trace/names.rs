//! Which names are one field or variant.
//!
//! Serde's list of names holds aliases like any other name. But a derived visitor turns each into
//! an enum of its own before it goes on, and the discriminant of that enum, the *mark*, tells which
//! names are the same.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Tells apart the variants of an enum that is not known here. For other types it is always the
/// same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl Mark {
    pub(super) fn of<T>(value: &T) -> Self {
        let mut hasher = DefaultHasher::new();
        std::mem::discriminant(value).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What is found out about the fields of a struct or of a variant.
#[derive(Debug)]
pub(super) struct FieldNames {
    /// As the type lists them: in declaration order, with aliases.
    pub(super) names: &'static [&'static str],
    /// For each name, what the visitor made of it; none if it did not take it.
    pub(super) marks: Vec<Option<Mark>>,
    /// What the visitor made of a name that no field has.
    pub(super) unknown: Option<Mark>,
    /// Whether the visitor asked for a name at all. One that did not takes its fields by position.
    pub(super) asked: bool,
    /// One for each field: the places of its names. Filled when all names were tried.
    pub(super) groups: Vec<Vec<usize>>,
    /// The node or variant whose fields these are.
    pub(super) home: Home,
}

/// Where fields belong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Home {
    Struct { draft: usize },
    Variant { draft: usize, position: usize },
}

impl FieldNames {
    pub(super) fn new(names: &'static [&'static str], home: Home) -> Self {
        let marks = vec![None; names.len()];
        Self { names, marks, unknown: None, asked: false, groups: Vec::new(), home }
    }

    /// Puts names of one mark together. A mark that an unknown name has too says nothing.
    pub(super) fn group(&mut self) {
        for (name, mark) in self.marks.iter().enumerate() {
            let known = self.groups.iter_mut().find(|group| {
                mark.is_some() && *mark != self.unknown && self.marks[group[0]] == *mark
            });
            match known {
                Some(group) => group.push(name),
                None => self.groups.push(vec![name]),
            }
        }
    }

    /// The names of one field, the first one first and the others sorted.
    pub(super) fn of_group(&self, group: usize) -> Vec<&'static str> {
        self.groups[group].iter().map(|&name| self.names[name]).collect()
    }
}

/// What is found out about the variants of an enum.
#[derive(Debug)]
pub(super) struct VariantNames {
    /// As the type lists them: in declaration order, with aliases.
    pub(super) names: &'static [&'static str],
    /// For each name, what the visitor made of it; none if it did not take it.
    pub(super) by_name: Vec<Option<Mark>>,
    /// The same for numbers.
    pub(super) by_number: Vec<Option<Mark>>,
    /// The node whose variants these are.
    pub(super) draft: usize,
}

impl VariantNames {
    pub(super) fn new(names: &'static [&'static str], draft: usize) -> Self {
        let none = vec![None; names.len()];
        Self { names, by_name: none.clone(), by_number: none, draft }
    }

    /// The names of each variant, by number. None if numbers and names do not fit together.
    pub(super) fn group(&self) -> Option<Vec<Vec<&'static str>>> {
        let numbers: Vec<Mark> = self.by_number.iter().map_while(|mark| *mark).collect();
        let one_mark = numbers.windows(2).all(|pair| pair[0] == pair[1])
            && self.by_name.iter().all(|mark| *mark == numbers.first().copied());
        if numbers.len() == self.names.len() && (one_mark || self.names.len() == 1) {
            // The visitor keeps the number or name itself: every name is a variant.
            return Some(self.names.iter().map(|name| vec![*name]).collect());
        }
        let mut variants: Vec<(Mark, Vec<&'static str>)> = Vec::new();
        for mark in numbers {
            // A catch-all takes every number behind the last.
            if variants.iter().any(|(known, _)| *known == mark) {
                break;
            }
            let names = self.names.iter().zip(&self.by_name);
            let own = names.filter(|(_, by_name)| **by_name == Some(mark)).map(|(name, _)| *name);
            variants.push((mark, own.collect()));
        }
        let complete = variants.iter().all(|(_, names)| !names.is_empty());
        let used: usize = variants.iter().map(|(_, names)| names.len()).sum();
        let fits = complete && used == self.names.len();
        fits.then(|| variants.into_iter().map(|(_, names)| names).collect())
    }
}
