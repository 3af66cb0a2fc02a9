//! The answers of one made-up value, and how to come to the next.

use std::any::TypeId;
use std::collections::HashSet;

/// Picks one of several answers at each place that a type asks.
///
/// The same script gives the same answers, so a value can be made again, up to a place where
/// another answer is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    choices: Vec<Choice>,
    /// How many choices the current run has used.
    used: usize,
    /// How many choices [`next`](Self::next) leaves alone.
    fixed: usize,
    /// The visitors that are at work, outermost first, each with the place in it that is being
    /// made.
    stack: Vec<Open>,
    /// The places in those visitors when an answer was picked last.
    last_places: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Choice {
    taken: usize,
    of: usize,
    asked: Asked,
}

/// What was asked, so that the same question in the same place is tried once only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    /// The visitor around it and the place in that visitor.
    around: Option<(TypeId, usize)>,
    /// The visitor that asked.
    by: TypeId,
    /// Whether other answers lead to other parts of the type, not only to other values.
    pub(crate) branches: bool,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    visitor: TypeId,
    place: usize,
}

/// What is open around a value.
pub(super) struct Around {
    /// How many values of the same visitor.
    pub(super) alike: usize,
    /// How many values in all.
    pub(super) depth: usize,
}

/// What the probe can still try after a value was made.
pub(crate) struct Alternative {
    pub(crate) script: Script,
    pub(crate) asked: Asked,
}

impl Script {
    /// Starts again from the first question.
    pub(crate) fn rewind(&mut self) {
        self.used = 0;
        self.stack.clear();
    }

    /// Where the last answer was needed: the place in each value around it, outermost first.
    pub(crate) fn last_places(&self) -> &[usize] {
        &self.last_places
    }

    /// How many answers were needed in this run.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Changes the last answer of this run that can be changed. False if all were tried.
    pub(crate) fn next(&mut self) -> bool {
        self.choices.truncate(self.used);
        while self.choices.len() > self.fixed {
            let last = self.choices.last_mut().expect("there are more than the fixed ones");
            if last.taken + 1 < last.of {
                last.taken += 1;
                return true;
            }
            self.choices.pop();
        }
        false
    }

    /// The number of an answer below `of`, for the visitor `by`.
    pub(super) fn pick(&mut self, of: usize, by: TypeId, branches: bool) -> usize {
        let around = self.stack.last().map(|open| (open.visitor, open.place));
        self.last_places.clear();
        self.last_places.extend(self.stack.iter().map(|open| open.place));
        if self.used == self.choices.len() {
            let asked = Asked { around, by, branches };
            self.choices.push(Choice { taken: 0, of, asked });
        }
        self.used += 1;
        self.choices[self.used - 1].taken
    }

    /// Goes into a value of several parts.
    pub(super) fn enter(&mut self, visitor: TypeId) -> Around {
        let alike = self.stack.iter().filter(|open| open.visitor == visitor).count();
        let around = Around { alike, depth: self.stack.len() };
        self.stack.push(Open { visitor, place: 0 });
        around
    }

    /// Goes on to another part of the innermost open value.
    pub(super) fn turn_to(&mut self, place: usize) {
        if let Some(open) = self.stack.last_mut() {
            open.place = place;
        }
    }

    pub(super) fn leave(&mut self) {
        self.stack.pop();
    }

    /// The scripts that take, at one place of this run, an answer that no script took there before.
    pub(crate) fn alternatives(&self, tried: &mut HashSet<(Asked, usize)>) -> Vec<Alternative> {
        let mut found = Vec::new();
        for (at, choice) in self.choices[..self.used].iter().enumerate() {
            let answers = if choice.asked.branches { choice.of } else { choice.of.min(2) };
            tried.insert((choice.asked, choice.taken));
            for taken in 0..answers {
                if tried.insert((choice.asked, taken)) {
                    let mut choices = self.choices[..=at].to_vec();
                    choices[at].taken = taken;
                    let script = Script { fixed: choices.len(), choices, ..Script::default() };
                    found.push(Alternative { script, asked: choice.asked });
                }
            }
        }
        found
    }
}
