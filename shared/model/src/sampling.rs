//! Which conversations make the fixed-shape batches of a training.

use rand_chacha::ChaCha20Rng;

use crate::ModelError;
use crate::random::{permutation, short_generator};
use crate::stop::StopToken;
use crate::tokenizer::ChatTokenizer;
use crate::train::{Messages, TrainingRecipe};

/// One row of a batch: `length` inputs, the token after each, and whether that one is trained.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) tokens: Vec<i64>,
    pub(crate) targets: Vec<i64>,
    pub(crate) trained: Vec<bool>,
}

/// Rows without end: every conversation's windows in random order, again and again.
///
/// A conversation longer than a row is cut into rows side by side; rows in which nothing is trained are left out.
/// Only as many conversations are turned into tokens as rows are wanted.
pub(crate) struct Rows {
    rows: Vec<Row>,
    order: Vec<usize>,
    generator: ChaCha20Rng,
}

impl Rows {
    /// Makes up to as many rows as the recipe's steps take. A conversation that the template or the
    /// tokenizer refuses is passed over; where nothing else is left, the first refusal is the error.
    pub(crate) fn new(
        conversations: &[Messages<'_>],
        recipe: &TrainingRecipe,
        tokenizer: &ChatTokenizer,
        stop: &StopToken,
    ) -> Result<Rows, ModelError> {
        let mut refused = None;
        let rows_of = |index: usize| {
            stop.check()?;
            Ok(rendered_rows(&conversations[index], recipe, tokenizer).unwrap_or_else(|error| {
                refused.get_or_insert(error);
                Vec::new()
            }))
        };
        match Rows::drawn(conversations.len(), recipe, recipe.seed, rows_of) {
            Err(error @ ModelError::NothingToTrain { .. }) => Err(refused.unwrap_or(error)),
            rows => rows,
        }
    }

    /// The same draw from any source of rows: `rows_of` makes those of one of `conversations` conversations.
    pub(crate) fn drawn(
        conversations: usize,
        recipe: &TrainingRecipe,
        seed: u64,
        mut rows_of: impl FnMut(usize) -> Result<Vec<Row>, ModelError>,
    ) -> Result<Rows, ModelError> {
        let wanted = recipe.steps.saturating_mul(recipe.batch);
        let mut generator = short_generator(seed, 0);
        let mut rows = Vec::new();
        for index in permutation(&mut generator, conversations) {
            if rows.len() >= wanted {
                break;
            }
            rows.extend(rows_of(index)?);
        }
        if rows.is_empty() {
            return Err(ModelError::NothingToTrain { conversations, roles: recipe.roles.clone() });
        }
        Ok(Rows { rows, order: Vec::new(), generator })
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> &Row {
        if self.order.is_empty() {
            self.order = permutation(&mut self.generator, self.rows.len());
        }
        let index = self.order.pop().expect("there is at least one row");
        &self.rows[index]
    }
}

/// The rows of one conversation.
pub(crate) fn rendered_rows(
    messages: &Messages<'_>,
    recipe: &TrainingRecipe,
    tokenizer: &ChatTokenizer,
) -> Result<Vec<Row>, ModelError> {
    let rendered = tokenizer.render(messages)?;
    let mask = rendered.mask(messages, &recipe.roles);
    Ok(windows(&rendered.tokens, &mask, recipe.sequence_length))
}

/// Windows of `length` inputs side by side, padded with token 0, of which at least one target is trained.
pub(crate) fn windows(tokens: &[u32], mask: &[bool], length: usize) -> Vec<Row> {
    let predicted = tokens.len().saturating_sub(1);
    let starts = (0..predicted).step_by(length);
    let row = |start: usize| {
        let count = length.min(predicted - start);
        let padded = |from: usize| {
            let ids = tokens[from..from + count].iter().map(|&token| i64::from(token));
            ids.chain(std::iter::repeat(0)).take(length).collect()
        };
        let trained = mask[start + 1..=start + count].iter().copied();
        Row {
            tokens: padded(start),
            targets: padded(start + 1),
            trained: trained.chain(std::iter::repeat(false)).take(length).collect(),
        }
    };
    starts.map(row).filter(|row| row.trained.contains(&true)).collect()
}

#[cfg(test)]
mod tests {
    use super::windows;

    #[test]
    fn every_trained_token_is_predicted_once_and_shapes_are_fixed() {
        let tokens: Vec<u32> = (10..24).collect();
        let mask: Vec<bool> = (0..14).map(|index| index % 3 == 0).collect();
        let rows = windows(&tokens, &mask, 4);
        assert_eq!(rows.len(), 3);
        let mut trained = Vec::new();
        for row in &rows {
            assert_eq!((row.tokens.len(), row.targets.len(), row.trained.len()), (4, 4, 4));
            for place in 0..4 {
                if row.trained[place] {
                    trained.push(row.targets[place]);
                    assert_eq!(row.tokens[place] + 1, row.targets[place]);
                }
            }
        }
        // The first token has nothing before it to be predicted from.
        assert_eq!(trained, [13, 16, 19, 22]);
    }

    #[test]
    fn rows_without_a_trained_token_are_left_out() {
        let mut mask = vec![false; 12];
        mask[6] = true;
        let rows = windows(&[1; 12], &mask, 4);
        assert_eq!(rows.len(), 1);
        assert!(windows(&[1], &[true], 4).is_empty());
        assert!(windows(&[], &[], 4).is_empty());
    }
}
