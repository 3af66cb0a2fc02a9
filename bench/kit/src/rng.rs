//! Choosing entities.

/// A small generator (xorshift64 by G. Marsaglia, 2003): the choice costs the same two nanoseconds
/// in every system, and a seed always chooses the same.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Any seed is a good one.
    pub fn new(seed: u64) -> Self {
        // Spread over all bits (the golden ratio's fraction); odd, since zero would stay zero.
        Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    ///
    /// If `bound` is zero.
    #[inline]
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits of a xorshift are its weakest.
        (self.0 >> 11) as usize % bound
    }
}

#[test]
fn every_number_below_the_bound_is_chosen() {
    let mut rng = Rng::new(1);
    let mut seen = [0_u32; 10];
    for _ in 0..1_000 {
        seen[rng.below(10)] += 1;
    }
    assert!(seen.iter().all(|count| (50..200).contains(count)), "{seen:?}");
}
