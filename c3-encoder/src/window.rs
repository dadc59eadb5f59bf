//! Which segments are computed together, and the order they are told of in.

use std::collections::VecDeque;

use c3_core::Segment;

use crate::segment::Piece;

/// How many batches a window spans. Segments end where the text suggests it, so their lengths
/// differ, and rows of a batch are padded to the longest. Of English prose in segments of 256
/// tokens, 16 a batch, padding takes 16% of the computed rows when segments are taken as they come,
/// 9% when they are picked from two batches, 6% from four, 3% from eight.
pub(crate) const BATCHES: usize = 4;

/// The segments that have been read and not yet told of.
pub(crate) struct Window {
    slots: VecDeque<Slot>,
    batch: usize,
    taken: usize, // segments that have left it
}

enum Slot {
    Waiting(Piece),
    Computing,
    Done(Segment),
}

impl Window {
    /// For batches of `batch` segments.
    pub fn new(batch: usize) -> Self {
        Self { slots: VecDeque::new(), batch, taken: 0 }
    }

    /// Whether there is nothing left to compute or to tell of.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether it holds as many segments as it may.
    pub fn is_full(&self) -> bool {
        self.slots.len() >= self.batch.saturating_mul(BATCHES)
    }

    /// The next segment of the text.
    pub fn push(&mut self, piece: Piece) {
        self.slots.push_back(Slot::Waiting(piece));
    }

    /// Drops the segments behind the last whole batch, counted from the start of the text, that
    /// nobody has begun to compute: the text behind them can't be read.
    pub fn drop_incomplete(&mut self) {
        let whole = (self.taken + self.slots.len()) / self.batch * self.batch;
        while self.taken + self.slots.len() > whole
            && matches!(self.slots.back(), Some(Slot::Waiting(_)))
        {
            self.slots.pop_back();
        }
    }

    /// Takes out the batch to be computed next: the first segment that waits, which everything
    /// behind it waits for, and those nearest to it in length. Their places, ascending.
    pub fn next_batch(&mut self) -> Vec<(usize, Piece)> {
        let waiting = self.slots.iter().enumerate().filter_map(|(place, slot)| match slot {
            Slot::Waiting(piece) => Some((place, piece.ids.len())),
            Slot::Computing | Slot::Done(_) => None,
        });
        let mut waiting: Vec<(usize, usize)> = waiting.collect();
        let first = waiting.first().map_or(0, |&(_, tokens)| tokens);
        waiting.sort_by_key(|&(_, tokens)| tokens.abs_diff(first)); // stable: the first stays first
        let mut places: Vec<usize> =
            waiting.into_iter().take(self.batch).map(|(place, _)| place).collect();
        places.sort_unstable();
        let take = |place| match std::mem::replace(&mut self.slots[place], Slot::Computing) {
            Slot::Waiting(piece) => Some((self.taken + place, piece)),
            Slot::Computing | Slot::Done(_) => None,
        };
        places.into_iter().filter_map(take).collect()
    }

    /// The segment that belongs at `place`.
    pub fn done(&mut self, place: usize, segment: Segment) {
        if let Some(slot) = place.checked_sub(self.taken).and_then(|at| self.slots.get_mut(at)) {
            *slot = Slot::Done(segment);
        }
    }

    /// The next segment to be told of, if it is done.
    pub fn pop_done(&mut self) -> Option<Segment> {
        match self.slots.pop_front()? {
            Slot::Done(segment) => {
                self.taken += 1;
                Some(segment)
            }
            other => {
                self.slots.push_front(other);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use c3_core::{Dtype, Fidelity, LatentTokens};

    use super::*;

    fn piece(number: u64, tokens: usize) -> Piece {
        Piece { text: String::new(), bytes: number..number + 1, ids: vec![0; tokens] }
    }

    fn segment(piece: Piece) -> Segment {
        Segment {
            latents: LatentTokens::from_f32(1, 1, Dtype::F32, &[0.0]).unwrap(),
            bytes: piece.bytes,
            text_tokens: piece.ids.len() as u32,
            hash: 0,
            fidelity: Fidelity::Unchecked,
            text: None,
        }
    }

    /// Runs segments of these lengths through windows; the batches' lengths, and what was told.
    fn run(lengths: &[usize], batch: usize) -> (Vec<Vec<usize>>, Vec<u64>) {
        let mut window = Window::new(batch);
        let mut coming = (0..).zip(lengths).map(|(number, &tokens)| piece(number, tokens));
        let (mut batches, mut told) = (Vec::new(), Vec::new());
        loop {
            while !window.is_full() {
                let Some(piece) = coming.next() else { break };
                window.push(piece);
            }
            if window.is_empty() {
                return (batches, told);
            }
            let taken = window.next_batch();
            assert!(!taken.is_empty() && taken.len() <= batch);
            batches.push(taken.iter().map(|(_, piece)| piece.ids.len()).collect());
            for (place, piece) in taken {
                window.done(place, segment(piece));
            }
            let before = told.len();
            told.extend(std::iter::from_fn(|| window.pop_done()).map(|s| s.bytes.start));
            assert!(told.len() > before, "the first of the window was not computed");
        }
    }

    #[test]
    fn a_batch_is_the_first_that_waits_and_those_of_its_length() {
        let (batches, told) = run(&[9, 5, 9, 5, 8, 4, 1, 1], 2);
        assert_eq!(batches, [vec![9, 9], vec![5, 5], vec![8, 4], vec![1, 1]]);
        assert_eq!(told, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn any_lengths_come_out_in_order_and_with_less_padding() {
        let mut state = 7u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as usize
        };
        let lengths: Vec<usize> = (0..501).map(|_| 128 + random() / 2).collect();
        let padded = |batch: &[usize]| batch.len() * batch.iter().max().unwrap();
        for batch in [1, 2, 3, 16, 1000, usize::MAX] {
            let (batches, told) = run(&lengths, batch);
            assert!(told.iter().copied().eq(0..501));
            let grouped: usize = batches.iter().map(|batch| padded(batch)).sum();
            let plain: usize = lengths.chunks(batch.min(501)).map(padded).sum();
            assert!(grouped <= plain, "{batch}: {grouped} {plain}");
            let text: usize = lengths.iter().sum();
            if batch == 16 {
                assert!((grouped - text) * 2 < plain - text, "{grouped} {plain} {text}");
            }
        }
    }

    #[test]
    fn of_a_text_that_breaks_off_the_whole_batches_are_left() {
        let mut window = Window::new(3);
        (0..8).for_each(|number| window.push(piece(number, 1)));
        assert_eq!(window.next_batch().len(), 3);
        window.drop_incomplete();
        assert_eq!(window.next_batch().len(), 3);
        assert_eq!(window.next_batch().len(), 0);
    }
}
