//! A ledger of many charges, as a node would have written it, to see how long an audit of it takes:
//!
//! ```text
//! cargo run --release -p audit --example long_ledger -- 10000 target/long
//! time murmur-audit ledger target/long/ledger --policy none
//! ```

use std::path::Path;

use anyhow::Context as _;
use ed25519_dalek::SigningKey;
use grid::{Q40, Ratio};
use privacy::{Budget, ChargeTerms, Ledger, Limits, SavedState};
use wire::{ContentHash, PlanHash, Round, TaskId};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, folder] = &arguments[..] else {
        anyhow::bail!("say how many charges and in which folder, such as: 10000 target/long")
    };
    let (count, folder): (u64, _) = (count.parse()?, Path::new(folder));
    let key = SigningKey::from_bytes(&[7; 32]);
    let limits = Limits {
        lifetime: Budget::Unlimited,
        task: Budget::Unlimited,
        largest_charge: Q40::MAXIMUM,
    };
    let saved = SavedState::Unknown { task: None };
    let (mut ledger, _) = Ledger::open(&[], key, limits, saved, 0)?;
    let mut bytes = Vec::new();
    for round in 1..=count {
        let charge = ledger.admit(&terms(round)?)?;
        let contribution = ContentHash(*blake3::hash(&round.to_le_bytes()).as_bytes());
        bytes.extend(ledger.record(charge, contribution, round * 60_000)?.into_vec());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(folder.join("ledger"), bytes)?;
    let status = format!("{{\"node\": \"{}\"}}", ledger.node());
    Ok(std::fs::write(folder.join("status.json"), status)?)
}

/// Rounds of a hundred tasks, each round at another noise.
fn terms(round: u64) -> anyhow::Result<ChargeTerms> {
    Ok(ChargeTerms {
        task: TaskId([(round % 100) as u8; 32]),
        round: Round(round),
        plan: PlanHash([1; 32]),
        squared_norm_bound: 1_000_000_000_000,
        sigma: Ratio::new(400_000 + round, 1)?,
        honest: 50,
        padded: 32_768,
    })
}
