//! What waits to be committed, and on which track.

use super::unit::Unit;

/// On a storage that writes two transactions at once faster than one after the other, the ends of
/// requests have a track of their own beside the main one, which accepts requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Track {
    /// Everything but what the other one takes. All requests are accepted here, so they become
    /// visible in the owner's order.
    Main,
    /// Ends of requests, and changes of states.
    Ends,
}

/// What one transaction takes at most; but always one unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) units: usize,
    pub(super) bytes: usize,
}

/// What kind of unit it is: in which order it must stand to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Accepts requests that belong to no handler: nothing else in here is about them.
    Accept,
    /// Ends a request or changes a state, and no more: one entity's stand in their order.
    End,
    /// Is behind all that came before, and before all ends that come later.
    Other,
}

impl Sort {
    fn of(unit: &Unit) -> Sort {
        let writes = &unit.writes;
        if writes.is_end() {
            return Sort::End;
        }
        let ends = writes.outcome.is_some() || writes.state.is_some();
        let accepts = !writes.accepts.is_empty();
        match writes.is_frequent() && !writes.confirm {
            true if accepts && !ends && unit.lineage.is_none() => Sort::Accept,
            _ => Sort::Other,
        }
    }
}

/// Whether some of these stand behind all that came before.
pub(super) fn has_others(units: &[Unit]) -> bool {
    units.iter().any(|unit| Sort::of(unit) == Sort::Other)
}

/// Units in the order in which they came, for each track.
///
/// Invariant: while a unit of the sort `Other` waits or is being committed, no end that came later
/// is on the track of ends; and it is taken when nothing is left there.
#[derive(Default)]
pub(super) struct Gathered {
    main: Vec<Unit>,
    ends: Vec<Unit>,
    /// Of all that wait, together.
    bytes: usize,
    /// Whether ends have a track.
    in_two: bool,
    /// Ends come onto the main track all the same.
    together: bool,
    /// Ends that wait on their track, or are being committed there.
    ending: usize,
    closed: bool,
    /// Another incarnation has taken over: nothing of this one will ever be written.
    fenced: bool,
}

impl Gathered {
    pub(super) fn new(in_two: bool) -> Self {
        Gathered { in_two, ..Gathered::default() }
    }

    /// How many units wait, and how many bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.main.len() + self.ends.len(), self.bytes)
    }

    /// How many units wait on a track.
    pub(super) fn waiting(&self, track: Track) -> usize {
        match track {
            Track::Main => self.main.len(),
            Track::Ends => self.ends.len(),
        }
    }

    /// Puts a unit where it belongs. Not to be called once closed.
    pub(super) fn offer(&mut self, unit: Unit) -> Track {
        self.bytes += unit.bytes;
        if self.in_two {
            match Sort::of(&unit) {
                Sort::Accept => {}
                Sort::End if self.together => {}
                Sort::End => {
                    self.ending += 1;
                    self.ends.push(unit);
                    return Track::Ends;
                }
                Sort::Other => self.together = true,
            }
        }
        self.main.push(unit);
        Track::Main
    }

    /// What one transaction takes. To be called while none of the track is under way.
    pub(super) fn take(&mut self, track: Track, limits: Limits) -> Vec<Unit> {
        let upto = match track {
            Track::Main => self.ready(),
            Track::Ends => self.ends.len(),
        };
        let queue = match track {
            Track::Main => &mut self.main,
            Track::Ends => &mut self.ends,
        };
        let many = fitting(&queue[..upto], limits);
        let units: Vec<Unit> = if many == queue.len() {
            std::mem::replace(queue, Vec::with_capacity(many))
        } else {
            queue.drain(..many).collect()
        };
        self.bytes -= units.iter().map(|unit| unit.bytes).sum::<usize>();
        units
    }

    /// How many units of the main track may be taken by now. When none is left that must be behind
    /// others, ends go onto their own track again.
    fn ready(&mut self) -> usize {
        if !self.in_two || !self.together {
            return self.main.len();
        }
        if self.main.iter().any(|unit| Sort::of(unit) == Sort::Other) {
            let first = self.main.iter().position(|unit| Sort::of(unit) != Sort::Accept);
            return match self.ending {
                0 => self.main.len(),
                _ => first.unwrap_or_default(),
            };
        }
        self.together = false;
        let is_end = |unit: &Unit| Sort::of(unit) == Sort::End;
        let (ends, main) = std::mem::take(&mut self.main).into_iter().partition(is_end);
        self.main = main;
        self.ends = ends;
        self.ending += self.ends.len();
        self.main.len()
    }

    /// So many units of the track have been told; says whether the main track may wait for that.
    pub(super) fn done(&mut self, track: Track, many: usize) -> bool {
        if track == Track::Ends {
            self.ending -= many;
        }
        track == Track::Ends && self.ending == 0 && self.together
    }

    /// Takes no more units.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether nothing will come on the track any more.
    pub(super) fn has_ended(&self, track: Track) -> bool {
        self.closed && self.main.is_empty() && (track == Track::Main || self.ends.is_empty())
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// Gives up what waits.
    pub(super) fn end_fenced(&mut self) -> Vec<Unit> {
        self.closed = true;
        self.fenced = true;
        self.bytes = 0;
        self.ending -= self.ends.len();
        let mut units = std::mem::take(&mut self.main);
        units.append(&mut self.ends);
        units
    }
}

/// How many units one transaction takes: within the limits, but always one.
fn fitting(units: &[Unit], limits: Limits) -> usize {
    let many = units.len().min(limits.units);
    let mut left = limits.bytes;
    let fits = |unit: &Unit| {
        let rest = left.checked_sub(unit.bytes);
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    units[..many].iter().map(fits).take_while(|fits| *fits).count().max(1).min(many)
}

#[cfg(test)]
mod tests {
    use super::*;

    use bytes::Bytes;

    use crate::commit::unit::Writes;
    use crate::id::{Epoch, ShardId, StateVersion};
    use crate::storage::{StateKey, StateWrite};

    const LIMITS: Limits = Limits { units: 100, bytes: 1_000 };

    /// A unit whose size says which it is.
    fn unit(bytes: usize, writes: Writes) -> Unit {
        Unit { bytes, ..Unit::new(writes, Box::new(|_| ())) }
    }

    fn end(bytes: usize) -> Unit {
        let key =
            StateKey { entity_type: "t".into(), entity_id: "e".into(), shard: ShardId::new(1) };
        let (from, to) = (StateVersion::default(), StateVersion::default().next());
        let state = StateWrite { key, epoch: Epoch::default(), from, to, payload: Bytes::new() };
        unit(bytes, Writes { state: Some(state), ..Writes::default() })
    }

    /// A barrier, which is behind all that came before.
    fn barrier(bytes: usize) -> Unit {
        unit(bytes, Writes::default())
    }

    fn taken(gathered: &mut Gathered, track: Track) -> Vec<usize> {
        gathered.take(track, LIMITS).iter().map(|unit| unit.bytes).collect()
    }

    // Ends are taken beside the main track until something must stand behind them; what came after
    // that stays behind it, and goes its own way again when it is done.
    #[test]
    fn ends_have_their_own_track_while_nothing_is_built_on_them() {
        let mut gathered = Gathered::new(true);
        assert_eq!(gathered.offer(end(1)), Track::Ends);
        assert_eq!(taken(&mut gathered, Track::Ends), [1]);
        assert_eq!(gathered.offer(barrier(2)), Track::Main);
        assert_eq!(gathered.offer(end(3)), Track::Main);
        assert_eq!(taken(&mut gathered, Track::Main), [0; 0], "1 is being committed");
        assert!(gathered.done(Track::Ends, 1), "the main track waits for it");
        assert_eq!(taken(&mut gathered, Track::Main), [2, 3]);
        assert_eq!(gathered.offer(end(4)), Track::Main, "3 is being committed");
        assert_eq!(taken(&mut gathered, Track::Main), [0; 0]);
        assert_eq!(taken(&mut gathered, Track::Ends), [4]);
        assert_eq!(gathered.offer(end(5)), Track::Ends);
        assert_eq!(gathered.size(), (1, 5));
    }

    // Without a second track everything is taken in its order.
    #[test]
    fn one_track_takes_all() {
        let mut gathered = Gathered::new(false);
        for unit in [end(1), barrier(2), end(3)] {
            assert_eq!(gathered.offer(unit), Track::Main);
        }
        assert_eq!(taken(&mut gathered, Track::Main), [1, 2, 3]);
        assert_eq!(gathered.size(), (0, 0));
    }

    // A batch is within its limits, but never empty; and no track ends before all was taken.
    #[test]
    fn a_batch_is_bounded_and_nothing_is_left_when_it_ends() {
        let mut gathered = Gathered::new(true);
        for bytes in [2_000, 600, 600] {
            gathered.offer(barrier(bytes));
        }
        gathered.offer(end(7));
        gathered.close();
        assert_eq!(taken(&mut gathered, Track::Main), [2_000]);
        assert_eq!(taken(&mut gathered, Track::Main), [600]);
        assert!(!gathered.has_ended(Track::Main) && !gathered.has_ended(Track::Ends));
        assert_eq!(taken(&mut gathered, Track::Main), [600, 7]);
        assert!(gathered.has_ended(Track::Main) && gathered.has_ended(Track::Ends));
    }
}
