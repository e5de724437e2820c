//! How long to wait before the next attempt.

use std::time::Duration;

use fastrand::Rng;

/// What a [`Backoff`] does. Checked when one is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffConfig {
    /// The first delay.
    pub initial: Duration,
    /// No delay is longer.
    pub max: Duration,
    /// Each delay is this many times the last one.
    pub multiplier: f64,
    /// Without it every delay is the first one.
    pub exponential: bool,
    /// The random part of a delay, from 0 (none) to 1 (all of it). It only ever shortens, so that
    /// `max` holds and many who lost the same peer do not return together.
    pub jitter: f64,
}

impl Default for BackoffConfig {
    /// As ActiveMQ's `static:` discovery (1 s, doubled up to 30 s), with a little jitter.
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(30),
            multiplier: 2.0,
            exponential: true,
            jitter: 0.2,
        }
    }
}

/// A configuration that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BackoffError {
    /// It would retry without a pause.
    #[error("the first reconnect delay must be longer than nothing")]
    NoDelay,
    /// The bounds are the wrong way round.
    #[error("the longest reconnect delay ({max:?}) is shorter than the first ({initial:?})")]
    MaxBelowInitial {
        /// The first delay.
        initial: Duration,
        /// The longest.
        max: Duration,
    },
    /// Delays would shrink, or are no number.
    #[error("the back-off multiplier must be at least 1, not {0}")]
    Multiplier(f64),
    /// Not a fraction.
    #[error("the back-off jitter must be between 0 and 1, not {0}")]
    Jitter(f64),
}

/// The delays between attempts that fail, one after the other.
#[derive(Debug, Clone)]
pub struct Backoff {
    config: BackoffConfig,
    /// The next delay before jitter.
    delay: Duration,
    attempts: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        let config = BackoffConfig::default();
        Self { delay: config.initial, config, attempts: 0 }
    }
}

impl Backoff {
    /// A back-off before its first attempt.
    pub fn new(config: BackoffConfig) -> Result<Self, BackoffError> {
        if config.initial.is_zero() {
            return Err(BackoffError::NoDelay);
        }
        if config.max < config.initial {
            let BackoffConfig { initial, max, .. } = config;
            return Err(BackoffError::MaxBelowInitial { initial, max });
        }
        if !(config.multiplier.is_finite() && config.multiplier >= 1.0) {
            return Err(BackoffError::Multiplier(config.multiplier));
        }
        if !(0.0..=1.0).contains(&config.jitter) {
            return Err(BackoffError::Jitter(config.jitter));
        }
        Ok(Self { config, delay: config.initial, attempts: 0 })
    }

    /// Counts an attempt as failed and says how long to wait before the next.
    pub fn next(&mut self, random: &mut Rng) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        let delay = self.delay;
        if self.config.exponential {
            let longer = delay.as_secs_f64() * self.config.multiplier;
            // Compared as numbers: a product may be too large for a Duration.
            self.delay = if longer < self.config.max.as_secs_f64() {
                Duration::from_secs_f64(longer)
            } else {
                self.config.max
            };
        }
        delay.mul_f64(1.0 - self.config.jitter * random.f64())
    }

    /// Starts again: an attempt has succeeded.
    pub fn reset(&mut self) {
        self.delay = self.config.initial;
        self.attempts = 0;
    }

    /// How many attempts have failed in a row.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(exponential: bool) -> BackoffConfig {
        BackoffConfig { jitter: 0.0, exponential, ..BackoffConfig::default() }
    }

    fn seconds(config: BackoffConfig, attempts: usize) -> Vec<u64> {
        let mut backoff = Backoff::new(config).unwrap();
        let mut random = Rng::with_seed(7);
        (0..attempts).map(|_| backoff.next(&mut random).as_secs()).collect()
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        assert_eq!(seconds(steady(true), 8), [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn without_exponential_every_delay_is_the_first() {
        assert_eq!(seconds(steady(false), 4), [1, 1, 1, 1]);
    }

    #[test]
    fn success_starts_again() {
        let mut backoff = Backoff::new(steady(true)).unwrap();
        let mut random = Rng::with_seed(7);
        for _ in 0..5 {
            backoff.next(&mut random);
        }
        assert_eq!(backoff.attempts(), 5);
        backoff.reset();
        assert_eq!(backoff.attempts(), 0);
        assert_eq!(backoff.next(&mut random), Duration::from_secs(1));
    }

    #[test]
    fn jitter_only_shortens_and_follows_the_seed() {
        let delays = |seed| {
            let config = BackoffConfig { jitter: 0.5, ..steady(false) };
            let mut backoff = Backoff::new(config).unwrap();
            let mut random = Rng::with_seed(seed);
            (0..100).map(|_| backoff.next(&mut random)).collect::<Vec<_>>()
        };
        let (shortest, longest) = (Duration::from_millis(500), Duration::from_secs(1));
        assert!(delays(1).iter().all(|delay| (shortest..=longest).contains(delay)));
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }

    #[test]
    fn an_absurd_multiplier_stays_within_the_longest_delay() {
        let config = BackoffConfig { multiplier: f64::MAX, ..steady(true) };
        assert_eq!(seconds(config, 4), [1, 30, 30, 30]);
    }

    #[test]
    fn nonsense_is_refused() {
        let good = BackoffConfig::default();
        for (config, error) in [
            (BackoffConfig { initial: Duration::ZERO, ..good }, BackoffError::NoDelay),
            (
                BackoffConfig { max: Duration::from_millis(1), ..good },
                BackoffError::MaxBelowInitial {
                    initial: Duration::from_secs(1),
                    max: Duration::from_millis(1),
                },
            ),
            (BackoffConfig { multiplier: 0.5, ..good }, BackoffError::Multiplier(0.5)),
            (BackoffConfig { jitter: 1.5, ..good }, BackoffError::Jitter(1.5)),
        ] {
            assert_eq!(Backoff::new(config).unwrap_err(), error);
        }
        assert!(Backoff::new(BackoffConfig { multiplier: f64::NAN, ..good }).is_err());
    }
}
