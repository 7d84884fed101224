//! What may be spent on a run.

use super::Cost;
use crate::record::Prices;

/// Counts what answers cost, so that nothing is asked whose answer might cost more than is left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::run) struct Budget {
    prices: Prices,
    limit: Option<f64>,
    /// By the whole experiment, before and since.
    spent: f64,
    /// By this run alone, before and since.
    own: f64,
    /// What the questions under way may cost at most.
    reserved: f64,
}

impl Budget {
    /// `spent` is what the experiment has cost so far, and `own` what this run has.
    pub(in crate::run) const fn new(prices: Prices, limit: Option<f64>, spent: f64, own: f64) -> Self {
        Self { prices, limit, spent, own, reserved: 0.0 }
    }

    /// What a question may cost at most.
    pub(super) fn most(&self, read: u64, written: u64) -> f64 {
        self.prices.cost(read, written)
    }

    /// Whether so much more may be asked for.
    pub(super) fn allows(&self, most: f64) -> bool {
        // Sums of small prices are not exact.
        self.limit.is_none_or(|limit| self.spent + self.reserved + most <= limit * (1.0 + 1e-9))
    }

    /// A question goes that may cost so much.
    pub(super) fn reserve(&mut self, most: f64) {
        self.reserved += most;
    }

    /// It is back, and took so many tokens.
    pub(super) fn settle(&mut self, most: f64, read: u64, written: u64) {
        let cost = self.prices.cost(read, written);
        self.reserved = (self.reserved - most).max(0.0);
        self.spent += cost;
        self.own += cost;
    }

    /// What was spent so far.
    pub(super) const fn cost(&self) -> Cost {
        Cost { run: self.own, experiment: self.spent, limit: self.limit }
    }

    /// Why no more is asked.
    pub(super) fn reason(&self, most: f64) -> String {
        let limit = self.limit.unwrap_or_default();
        format!(
            "the spending limit of {limit} is reached: {:.6} is spent, and the next answer may cost {most:.6}; with a higher \
             spending_limit it goes on",
            self.spent
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_spent_than_may_be() {
        let prices = Prices { input: 1.0, output: 2.0 };
        let mut budget = Budget::new(prices, Some(0.01), 0.004, 0.001);
        let most = budget.most(1000, 1000);
        assert!((most - 0.003).abs() < 1e-12);
        assert!(budget.allows(most));
        budget.reserve(most);
        budget.reserve(most);
        assert!(!budget.allows(most));
        budget.settle(most, 1000, 0);
        budget.settle(most, 1000, 100);
        assert!(budget.allows(most) && (budget.cost().run - 0.0032).abs() < 1e-12);
        budget.reserve(most);
        assert!(!budget.allows(most));
        assert!(budget.reason(most).contains("spending limit of 0.01"));
        assert!(Budget::new(prices, None, 1e9, 0.0).allows(1e9));
    }
}
