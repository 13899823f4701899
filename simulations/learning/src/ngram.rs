//! Baselines of counting: what a unigram and an interpolated trigram model make of held-out
//! tokens. A language model must stay well below both.

/// Absolute discount of every count (Ney, Essen, Kneser 1994).
const DISCOUNT: f64 = 0.75;

/// Token counts of one, two and three in a row.
pub struct Counts {
    vocabulary: usize,
    total: u64,
    unigrams: Vec<u64>,
    bigrams: Followers,
    trigrams: Followers,
}

impl Counts {
    /// Counts a training stream.
    pub fn of(stream: &[u32], vocabulary: usize) -> Self {
        let mut unigrams = vec![0; vocabulary];
        stream.iter().for_each(|&token| unigrams[token as usize] += 1);
        Self {
            vocabulary,
            total: stream.len() as u64,
            unigrams,
            bigrams: Followers::count(stream.windows(2).map(|two| (context(0, two[0]), two[1]))),
            trigrams: Followers::count(
                stream.windows(3).map(|three| (context(three[0], three[1]), three[2])),
            ),
        }
    }

    /// Mean loss of the unigram model (one added to every count), nats a token.
    pub fn unigram_loss(&self, stream: &[u32]) -> f64 {
        mean(stream.iter().map(|&token| -self.unigram(token).ln()))
    }

    /// Mean loss of the trigram model, interpolated down to the unigram by absolute discounting,
    /// nats a token. The first two tokens have no context and are left out.
    pub fn trigram_loss(&self, stream: &[u32]) -> f64 {
        mean(stream.windows(3).map(|three| -self.trigram(three[0], three[1], three[2]).ln()))
    }

    fn unigram(&self, token: u32) -> f64 {
        let count = self.unigrams.get(token as usize).copied().unwrap_or(0);
        (count + 1) as f64 / (self.total + self.vocabulary as u64) as f64
    }

    fn bigram(&self, before: u32, token: u32) -> f64 {
        discounted(self.bigrams.after(context(0, before)), token, self.unigram(token))
    }

    fn trigram(&self, first: u32, second: u32, token: u32) -> f64 {
        discounted(self.trigrams.after(context(first, second)), token, self.bigram(second, token))
    }
}

/// What followed each context, and how often: sorted by context, then token.
struct Followers(Vec<(u64, u32, u32)>);

impl Followers {
    fn count(pairs: impl Iterator<Item = (u64, u32)>) -> Self {
        let mut pairs: Vec<(u64, u32)> = pairs.collect();
        pairs.sort_unstable();
        let same = pairs.chunk_by(|one, other| one == other);
        Self(same.map(|chunk| (chunk[0].0, chunk[0].1, chunk.len() as u32)).collect())
    }

    fn after(&self, context: u64) -> &[(u64, u32, u32)] {
        let start = self.0.partition_point(|entry| entry.0 < context);
        let length = self.0[start..].partition_point(|entry| entry.0 == context);
        &self.0[start..start + length]
    }
}

fn context(first: u32, second: u32) -> u64 {
    u64::from(first) << 32 | u64::from(second)
}

/// The discounted share of `token` after a context, plus what the discounts left over times the
/// probability of the shorter context.
fn discounted(followers: &[(u64, u32, u32)], token: u32, shorter: f64) -> f64 {
    if followers.is_empty() {
        return shorter;
    }
    let total: f64 = followers.iter().map(|entry| f64::from(entry.2)).sum();
    let place = followers.binary_search_by_key(&token, |entry| entry.1);
    let count = place.map_or(0.0, |place| f64::from(followers[place].2));
    let left_over = DISCOUNT * followers.len() as f64 / total;
    (count - DISCOUNT).max(0.0) / total + left_over * shorter
}

fn mean(losses: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0_u64);
    for loss in losses {
        sum += loss;
        count += 1;
    }
    sum / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let stream: Vec<u32> = (0..500).map(|i| (i * i + i / 3) % 17).collect();
        let counts = Counts::of(&stream, 20);
        for (first, second) in [(0, 1), (4, 9), (19, 19)] {
            let sum: f64 = (0..20).map(|token| counts.trigram(first, second, token)).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        }
    }

    #[test]
    fn a_regular_stream_is_learnt_by_three_and_not_by_one() {
        let stream: Vec<u32> = (0..3000).map(|i| i % 10).collect();
        let counts = Counts::of(&stream, 10);
        assert!((counts.unigram_loss(&stream) - 10_f64.ln()).abs() < 0.01);
        assert!(counts.trigram_loss(&stream) < 0.05);
    }
}
