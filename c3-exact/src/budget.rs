//! As many right tokens as fit into a number of decoder positions.

use std::collections::BinaryHeap;
use std::io::Read;

use c3_core::SourceHasher;

use crate::candidate::Candidate;
use crate::compressor::{Told, window};
use crate::settle::{Settled, Settler};
use crate::source::{Item, Items};
use crate::{Error, Event, Result};

/// Tries every bank on every segment, then spends the budget where a position brings most.
pub(crate) fn settle<R: Read>(
    settler: &Settler<'_>,
    items: &mut Items<'_, R>,
    budget: u64,
    source: &mut SourceHasher,
    told: &mut Told<'_>,
) -> Result<()> {
    let (mut all, mut tried) = (Vec::new(), Vec::new());
    loop {
        let window = window(items, settler.batch, source)?;
        let Some(last) = window.last() else { break };
        let bytes = last.bytes.end;
        tried.extend(try_all(settler, &window)?);
        all.extend(window);
        told.event(Event::Tried { bytes })?;
    }
    let choices: Vec<Vec<Choice>> =
        tried.iter().map(|candidates| candidates.iter().map(Choice::of).collect()).collect();
    let chosen = spend(&choices, budget)?;
    for ((item, mut candidates), choice) in all.iter().zip(tried).zip(chosen) {
        let candidate = candidates.swap_remove(choice);
        let bank = Some(candidate.bank);
        told.segment(Settled { segment: candidate.segment(item), bank, split: false })?;
    }
    Ok(())
}

/// What becomes of each item with each bank.
fn try_all(settler: &Settler<'_>, items: &[Item]) -> Result<Vec<Vec<Candidate>>> {
    let mut tried: Vec<Vec<Candidate>> = vec![Vec::new(); items.len()];
    for rows in settler.batches(items) {
        let batch: Vec<&Item> = rows.iter().map(|&row| &items[row]).collect();
        for (&bank, latents) in settler.banks.iter().zip(settler.latents(&batch)?) {
            let latents = rows.iter().copied().zip(latents).collect();
            for (row, candidate) in settler.candidates(bank, latents, items)? {
                tried[row].push(candidate);
            }
        }
    }
    Ok(tried)
}

/// What a bank costs a segment, and what it gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choice {
    positions: u64,
    wrong: u64,
}

impl Choice {
    fn of(candidate: &Candidate) -> Self {
        Self { positions: candidate.positions(), wrong: candidate.wrong }
    }
}

/// A step from one choice of a segment to a better one.
#[derive(PartialEq, Eq)]
struct Step {
    segment: usize,
    to: usize,
    cost: u64,
    gain: u64,
}

impl Ord for Step {
    /// By gain for each position; of equals the earlier segment's is the greater.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let rate = |a: &Self, b: &Self| u128::from(a.gain) * u128::from(b.cost);
        rate(self, other).cmp(&rate(other, self)).then(other.segment.cmp(&self.segment))
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Which choice each segment gets. Each starts with its cheapest; then the step that brings most for
/// each position is taken as long as it fits. Steps go along the lower convex hull of a segment's
/// choices, so that this is the best that there is, but for what is left of the budget in the end
/// (the greedy solution of the multiple-choice knapsack: Sinha and Zoltners 1979).
fn spend(choices: &[Vec<Choice>], budget: u64) -> Result<Vec<usize>> {
    let cheapest = |choices: &[Choice]| {
        (0..choices.len()).min_by_key(|&i| (choices[i].positions, choices[i].wrong)).unwrap_or(0)
    };
    let mut chosen: Vec<usize> = choices.iter().map(|choices| cheapest(choices)).collect();
    let cost = |(choices, &chosen): (&Vec<Choice>, &usize)| choices[chosen].positions;
    let least: u64 = choices.iter().zip(&chosen).map(cost).sum();
    let mut left = budget.checked_sub(least).ok_or(Error::Budget { budget, least })?;
    let mut steps: BinaryHeap<Step> = (0..choices.len())
        .filter_map(|segment| step(segment, &choices[segment], chosen[segment]))
        .collect();
    while let Some(Step { segment, to, cost, .. }) = steps.pop() {
        // What doesn't fit ends this segment's steps; others' may be smaller.
        if cost > left {
            continue;
        }
        left -= cost;
        chosen[segment] = to;
        steps.extend(step(segment, &choices[segment], to));
    }
    Ok(chosen)
}

/// The step from choice `from` that gains most for each position; of equals the shortest.
fn step(segment: usize, choices: &[Choice], from: usize) -> Option<Step> {
    let now = choices[from];
    let better = choices.iter().enumerate().filter_map(|(to, choice)| {
        let cost = choice.positions.checked_sub(now.positions)?;
        let gain = now.wrong.checked_sub(choice.wrong).filter(|&gain| gain > 0)?;
        Some(Step { segment, to, cost, gain })
    });
    better.max_by(|a, b| a.cmp(b).then(b.cost.cmp(&a.cost)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn totals(choices: &[Vec<Choice>], chosen: &[usize]) -> (u64, u64) {
        let all = choices.iter().zip(chosen).map(|(choices, &chosen)| choices[chosen]);
        all.fold((0, 0), |(p, w), c| (p + c.positions, w + c.wrong))
    }

    /// The fewest wrong tokens within the budget, by trying everything.
    fn best(choices: &[Vec<Choice>], budget: u64) -> u64 {
        let Some((first, rest)) = choices.split_first() else { return 0 };
        let fitting = first.iter().filter(|choice| choice.positions <= budget);
        let wrong =
            |choice: &Choice| choice.wrong.saturating_add(best(rest, budget - choice.positions));
        fitting.map(wrong).min().unwrap_or(u64::MAX / 2)
    }

    proptest! {
        #[test]
        fn the_budget_is_kept_and_well_spent(
            choices in proptest::collection::vec(proptest::collection::vec(
                (1u64..40, 0u64..30).prop_map(|(positions, wrong)| Choice { positions, wrong }),
                1..4,
            ), 0..6),
            budget in 0u64..200,
        ) {
            match spend(&choices, budget) {
                Ok(chosen) => {
                    let (positions, wrong) = totals(&choices, &chosen);
                    prop_assert!(positions <= budget);
                    let best = best(&choices, budget);
                    // Greedy is off by less than one segment's choice.
                    prop_assert!(wrong >= best && wrong <= best + 30, "{wrong} for {best}");
                }
                Err(Error::Budget { least, .. }) => prop_assert!(least > budget),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }

    #[test]
    fn hard_segments_get_more() {
        let choice = |positions, wrong| Choice { positions, wrong };
        let easy = vec![choice(10, 1), choice(20, 0)];
        let hard = vec![choice(10, 40), choice(20, 10), choice(40, 0)];
        let both = [easy, hard];
        assert_eq!(spend(&both, 20).unwrap(), [0, 0]);
        assert_eq!(spend(&both, 30).unwrap(), [0, 1]);
        assert_eq!(spend(&both, 50).unwrap(), [0, 2]);
        assert_eq!(spend(&both, 1000).unwrap(), [1, 2]);
        assert!(matches!(spend(&both, 19), Err(Error::Budget { least: 20, budget: 19 })));
    }
}
