//! How far ahead of its consumer a subscription may be.

/// Bounds what is handed to a consumer before it has settled what it got earlier: to about what it
/// gets done within a short time, as it did lately. So a slow consumer of a wide window does not
/// take what a faster one could have had sooner, be it one that comes later.
///
/// The measure is how long a message takes from its dispatch to its settlement. Beyond the time
/// that a message needs when it is alone (the way there and back, and the work), only `target`
/// milliseconds may lie ahead. While messages take less, the bound doubles with each round, so a
/// fast consumer has its whole window after a few of them. Who settles in batches is given room for
/// them; who settles nothing at all for a while gets more, in case that is what it waits for.
///
/// Costs a few comparisons of numbers for each dispatch and acknowledgement. Times are in
/// milliseconds.
#[derive(Debug)]
pub(super) struct Allowance {
    /// How much work may lie ahead.
    target: i64,
    /// The consumer's own window; never more than that.
    most: usize,
    /// How many may be unsettled now.
    ahead: usize,
    /// How many have been settled.
    settled: u64,
    /// The most that were settled at once, in this round and in the one before.
    stride: [usize; 2],
    /// A message that was dispatched when all before it was settled.
    alone: Option<Round>,
    /// The last message of those that filled the bound.
    filled: Option<Round>,
    /// How long a message takes that is alone; none has been seen yet if absent.
    quickest: Option<i64>,
    /// The last round: how many were ahead, and how long they took.
    before: Option<(usize, i64)>,
    /// When something was settled last, or the bound raised without.
    progress: i64,
    /// For how long nothing may be settled before the bound is raised.
    patience: i64,
}

/// Some messages from their dispatch to their settlement.
#[derive(Debug, Clone, Copy)]
struct Round {
    since: i64,
    /// How many were settled before.
    from: u64,
    size: usize,
}

/// What somebody of whom nothing is known may have.
const FIRST: usize = 16;
/// What the slowest may have.
const LEAST: usize = 8;
/// How soon a consumer that settles nothing gets more, at the soonest.
pub(super) const PATIENCE: i64 = 100;

impl Allowance {
    /// Of a subscription whose window holds `most`, which may have `target` milliseconds of work.
    pub(super) fn new(most: usize, target: i64, now: i64) -> Self {
        Self {
            target,
            most,
            ahead: FIRST.min(most),
            settled: 0,
            stride: [0; 2],
            alone: None,
            filled: None,
            quickest: None,
            before: None,
            progress: now,
            patience: PATIENCE,
        }
    }

    /// No bound.
    pub(super) fn unbounded() -> Self {
        Self { ahead: usize::MAX, ..Self::new(usize::MAX, i64::MAX, 0) }
    }

    fn is_bounded(&self) -> bool {
        self.target < i64::MAX
    }

    /// How many may be unsettled.
    pub(super) fn ahead(&self) -> usize {
        self.ahead
    }

    /// Whether one more may go when so many are unsettled.
    pub(super) fn has_room(&self, unsettled: usize) -> bool {
        unsettled < self.ahead
    }

    /// One has gone, and so many are unsettled now.
    pub(super) fn handed(&mut self, unsettled: usize, now: i64) {
        if unsettled == 1 {
            self.alone = Some(Round { since: now, from: self.settled, size: 1 });
            // It had nothing to do.
            self.progress = now;
        }
        if unsettled >= self.ahead && self.filled.is_none() {
            self.filled = Some(Round { since: now, from: self.settled, size: unsettled });
        }
    }

    /// So many were settled at once.
    pub(super) fn settled(&mut self, count: usize, now: i64) {
        if !self.is_bounded() || count == 0 {
            return;
        }
        self.settled += count as u64;
        self.progress = now;
        let [stride, before] = self.stride;
        self.stride = [stride.max(count), before];
        if let Some(alone) = self.alone.take() {
            let took = alone.took(now);
            self.quickest = Some(self.quickest.map_or(took, |quickest| quickest.min(took)));
            self.be_patient(took, 1);
        }
        if let Some(round) = self.filled {
            let done = usize::try_from(self.settled - round.from).unwrap_or(usize::MAX);
            // Who has become slow is not waited for until all of a wide window is done.
            let late = round.took(now) > 2 * self.goal();
            if done >= round.size || late {
                self.filled = None;
                let size = i64::try_from(round.size).unwrap_or(i64::MAX);
                let done = i64::try_from(done).unwrap_or(i64::MAX);
                let whole = size.saturating_mul(round.took(now)) / done.max(1);
                self.adjust(round.size, whole.max(1), late);
            }
        }
    }

    /// When the bound is to be raised if nothing is settled before, while messages wait because of
    /// it.
    pub(super) fn due(&self) -> i64 {
        self.progress.saturating_add(self.patience)
    }

    /// Nothing has been settled for too long while messages waited: raises the bound.
    pub(super) fn raise(&mut self, now: i64) {
        self.ahead = self.ahead.saturating_mul(2).min(self.most);
        self.filled = None;
        self.before = None;
        self.progress = now;
        if self.settled == 0 {
            // The slower it is, the less it should have.
            self.patience = self.patience.saturating_add(PATIENCE);
        }
    }

    /// How long messages may take.
    fn goal(&self) -> i64 {
        self.target.saturating_add(self.quickest.unwrap_or(0))
    }

    /// A round is over: `size` messages took so long, or will.
    fn adjust(&mut self, size: usize, took: i64, late: bool) {
        let scaled = |by: i64| {
            let scaled = u128::from(size as u64) * u128::from(by.unsigned_abs())
                / u128::from(took.unsigned_abs());
            usize::try_from(scaled).unwrap_or(usize::MAX)
        };
        if let Some((before, time)) = self.before.take()
            && size < before
            && slowed((before, time), (size, took))
        {
            // Fewer ahead only meant fewer done: it is the way that is long, not the work.
            self.quickest = Some(took);
        }
        let goal = self.goal();
        // One round that was held up says little.
        let lowest = if late { 0 } else { size / 2 };
        let wanted = scaled(goal).clamp(lowest, size.saturating_mul(2));
        self.before = (wanted < size).then_some((size, took));
        let batch = self.stride.iter().copied().max().unwrap_or(0);
        let least = LEAST.max(batch.saturating_add(batch / 2));
        self.ahead = wanted.max(least).min(self.most);
        self.stride = [0, self.stride[0]];
        self.be_patient(took, size);
    }

    /// `size` messages took so long: nothing is unusual while one batch of them may be under way.
    fn be_patient(&mut self, took: i64, size: usize) {
        let batch = i64::try_from(self.stride.iter().copied().max().unwrap_or(1)).unwrap_or(1);
        let size = i64::try_from(size.max(1)).unwrap_or(i64::MAX);
        self.patience = PATIENCE.max(took.saturating_mul(4).saturating_mul(batch.max(1)) / size);
    }
}

impl Round {
    /// How long it has been; the wall clock may have been set back.
    fn took(&self, now: i64) -> i64 {
        now.saturating_sub(self.since).max(1)
    }
}

/// Whether fewer messages ahead went at a lower rate, nearly in proportion.
fn slowed(before: (usize, i64), after: (usize, i64)) -> bool {
    let wide = |size: usize| u128::from(size as u64);
    let (before_took, took) =
        (u128::from(before.1.unsigned_abs()), u128::from(after.1.unsigned_abs()));
    2 * wide(after.0) * before_took < (wide(after.0) + wide(before.0)) * took
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: i64 = 100;

    /// A consumer that takes `work` milliseconds for each message, `way` milliseconds away in all,
    /// and settles `batch` at once; has all that it may have, always. Returns the bound after each
    /// second.
    fn seconds(
        allowance: &mut Allowance,
        (work, way, batch): (i64, i64, usize),
        start: i64,
        seconds: i64,
    ) -> Vec<usize> {
        let (mut held, mut bounds) = (std::collections::VecDeque::<i64>::new(), Vec::new());
        let (mut free_at, mut done) = (start, 0_usize);
        for now in start..start + 1000 * seconds {
            while held.front().is_some_and(|at| *at <= now) {
                held.pop_front();
                done += 1;
            }
            // What is done and not settled still counts.
            if done >= batch {
                allowance.settled(done - done % batch, now);
                done %= batch;
            }
            while allowance.has_room(held.len() + done) {
                free_at = free_at.max(now) + work;
                held.push_back(free_at + way);
                allowance.handed(held.len() + done, now);
                if work == 0 && held.len() > 2000 {
                    break;
                }
            }
            if now >= allowance.due() {
                allowance.raise(now);
            }
            if (now - start + 1) % 1000 == 0 {
                bounds.push(allowance.ahead());
            }
        }
        bounds
    }

    #[test]
    fn a_slow_consumer_holds_little_and_a_fast_one_its_whole_window() {
        for (work, most_held) in [(1000, LEAST), (20, LEAST), (10, 13), (1, 120)] {
            let mut allowance = Allowance::new(1000, TARGET, 5);
            let bounds = seconds(&mut allowance, (work, 2, 1), 5, 20);
            let most = bounds.iter().max();
            assert!(most <= Some(&256), "{work} ms each: {bounds:?}");
            let held = bounds.last().copied().unwrap();
            assert!((LEAST..=most_held).contains(&held), "{work} ms each: {bounds:?}");
        }
        let mut allowance = Allowance::new(1000, TARGET, 0);
        assert_eq!(seconds(&mut allowance, (0, 2, 1), 5, 1), [1000]);
    }

    #[test]
    fn a_long_way_is_no_slowness() {
        let mut allowance = Allowance::new(1000, TARGET, 0);
        let bounds = seconds(&mut allowance, (0, 300, 1), 5, 10);
        assert_eq!(bounds.last(), Some(&1000), "{bounds:?}");
        // It was short, and has become long.
        let mut allowance = Allowance::new(1000, TARGET, 0);
        seconds(&mut allowance, (0, 2, 1), 5, 2);
        let bounds = seconds(&mut allowance, (0, 500, 1), 3000, 30);
        assert!(bounds.last().is_some_and(|bound| *bound >= 900), "{bounds:?}");
    }

    #[test]
    fn who_settles_in_batches_gets_room_for_them_and_keeps_it() {
        let mut allowance = Allowance::new(1000, TARGET, 0);
        let bounds = seconds(&mut allowance, (1, 2, 500), 5, 10);
        assert!(bounds.iter().skip(1).all(|bound| *bound >= 500), "{bounds:?}");
        let done = allowance.settled;
        assert!(done >= 8_000, "only {done} in ten seconds");
    }

    #[test]
    fn who_becomes_slow_is_not_given_more_of_its_wide_window() {
        let mut allowance = Allowance::new(1000, TARGET, 0);
        seconds(&mut allowance, (0, 2, 1), 5, 2);
        assert_eq!(allowance.ahead(), 1000);
        let bounds = seconds(&mut allowance, (10, 2, 1), 3000, 5);
        assert!(bounds.last().is_some_and(|bound| *bound <= 20), "{bounds:?}");
    }
}
