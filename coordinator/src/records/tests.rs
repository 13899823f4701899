//! Restarts after every persisted record, with the shipped machine and real files.

use ed25519_dalek::SigningKey;
use protocol::{
    Coordinator, Time,
    coordinator::{Conduct, CoordinatorStart, Effect, Input, Record, coordinator_id},
};
use wire::{
    AbortReason, Checked, GateResult, Genesis, ModelHash, Outcome, Plan, Roster, SharesClosed,
    SharesRoot, Survivors,
};

use super::*;
use crate::{home::Setup, terms};

mod round;

const CONFIG: &str = include_str!("../../../configs/coordinator.toml");
const DIMENSION: usize = 100;

struct Made {
    _outer: tempfile::TempDir,
    path: PathBuf,
    key: SigningKey,
}

fn state(value: f32) -> State {
    State::initial(vec![value; DIMENSION])
}

/// A coordinator's folder, without a model: rounds need one, records do not.
fn made() -> Made {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("coordinator");
    drop(store::Folder::open(&path).unwrap());
    let secret = store::keyfile::create_key(&path.join(crate::home::KEY)).unwrap();
    let key = SigningKey::from_bytes(&secret);
    let config: crate::config::CoordinatorConfig =
        program::parse_toml(CONFIG, Path::new("coordinator.toml")).unwrap();
    let genesis = Genesis {
        name: config.task.name.clone(),
        coordinator: coordinator_id(&key),
        base: ModelHash([1; 32]),
        adapter: terms::adapter(&config.adapter, [2; 32]).unwrap(),
        dimension: DIMENSION as u32,
        initial: state(0.0).hash(),
    };
    let setup = Setup { model: "m".into(), base_loss_micro: 4_000_000, gate_sequence: 8 };
    Records::create(&path, &state(0.0)).unwrap();
    Home::create(&path, CONFIG, &setup, b"", &genesis).unwrap();
    Made { _outer: outer, path, key }
}

impl Made {
    fn open(&self) -> (Records, Saved) {
        Records::open(&Home::open(&self.path).unwrap()).unwrap()
    }

    /// The machine as a restart makes it, and what it orders first.
    fn start(&self, saved: Saved) -> (Coordinator, Vec<Effect>) {
        let home = Home::open(&self.path).unwrap();
        let start = CoordinatorStart {
            key: self.key.clone(),
            settings: terms::settings(&home.config, DIMENSION as u32).unwrap(),
            chain: saved.chain,
            state: saved.state,
            base_loss_micro: home.setup.base_loss_micro,
            round: saved.round,
            heads: saved.heads,
            conduct: saved.conduct,
        };
        let mut effects = Vec::new();
        let machine = Coordinator::start(start, Time(0), &mut effects);
        (machine, effects)
    }

    /// Persists as a program that dies right behind the `survive`-th record. Whether it died.
    fn persist(&self, records: &mut Records, effects: &[Effect], survive: usize) -> bool {
        let persisted = effects.iter().filter_map(|effect| match effect {
            Effect::Persist(record) => Some(record),
            _ => None,
        });
        for (count, record) in persisted.enumerate() {
            if count == survive {
                return true;
            }
            records.persist(record).unwrap();
        }
        false
    }

    fn header(&self, chain: &Chain, round: u64, outcome: Outcome) -> Checked<Header> {
        let raises = matches!(outcome, Outcome::Issued { .. });
        let header = Header {
            task: chain.task(),
            index: chain.next_index(),
            round: Round(round),
            version: VersionNumber(chain.version().0 + u64::from(raises)),
            parent: chain.head(),
            outcome,
        };
        Checked::sign(header, &self.key)
    }

    /// A signed plan of the next round, as the machine makes it.
    fn plan(&self) -> Signed<Plan> {
        let (_, saved) = self.open();
        let (mut machine, mut effects) = self.start(saved);
        machine.handle(Input::Begin { rotation_seed: [3; 32] }, Time(1), &mut effects);
        let round = effects.into_iter().find_map(|effect| match effect {
            Effect::Persist(Record::Round(transcript)) => Some(transcript.plan),
            _ => None,
        });
        round.unwrap()
    }

    /// Evidence with the right form: what is kept is not judged here.
    fn record(&self, plan: &Signed<Plan>) -> RoundRecord {
        let checked = plan.check(coordinator_id(&self.key)).unwrap();
        let (task, round) = (checked.task, checked.round);
        let roster = Roster { task, round, plan: checked.hash(), members: Vec::new() };
        let roster = Checked::sign(roster, &self.key);
        let closed = SharesClosed {
            task,
            round,
            plan: checked.hash(),
            roster: roster.hash(),
            members: Default::default(),
            shares: SharesRoot([0; 32]),
        };
        let closed = Checked::sign(closed, &self.key);
        let survivors =
            Survivors { task, round, closed: closed.hash(), members: Default::default() };
        let survivors = Checked::sign(survivors, &self.key);
        RoundRecord {
            plan: plan.clone(),
            roster: roster.signed().clone(),
            closed: closed.signed().clone(),
            survivors: survivors.signed().clone(),
            agreements: Vec::new(),
            sum: vec![7; 100].into(),
        }
    }
}

#[test]
fn a_fresh_task_has_version_0_and_nothing_else() {
    let made = made();
    let (records, saved) = made.open();
    assert_eq!((saved.chain.version().0, saved.state.hash()), (0, state(0.0).hash()));
    assert!(saved.round.is_none() && saved.heads.is_empty());
    let (content, length) = records.place(state(0.0).hash()).unwrap().unwrap();
    assert_eq!(records.states().get(content).unwrap().unwrap().len() as u64, length);
    assert!(records.place(state(1.0).hash()).unwrap().is_none());
}

#[test]
fn who_has_spoilt_rounds_is_kept_and_what_is_not_understood_is_forgotten() {
    let made = made();
    // One member with two rounds against it, left out up to round 9; no quarrels.
    let mut against = vec![wire::WIRE_VERSION, 1];
    against.extend([7; 32]);
    against.extend([4, 9, 0, 0]);
    let conduct: Conduct = wire::decode(&against, 1024).unwrap();
    let (mut records, saved) = made.open();
    assert_eq!(saved.conduct, Conduct::default());
    records.persist(&Record::Conduct(Box::new(conduct.clone()))).unwrap();
    drop(records);
    let (records, saved) = made.open();
    assert_eq!(saved.conduct, conduct);
    records.conduct.write(&[99; 40]).unwrap();
    drop(records);
    assert_eq!(made.open().1.conduct, Conduct::default());
}

#[test]
fn a_crash_behind_any_record_of_a_round_without_sum_ends_in_one_signed_abort() {
    for survive in 0..5 {
        let made = made();
        let (mut records, saved) = made.open();
        let (mut machine, mut effects) = made.start(saved);
        machine.handle(Input::Begin { rotation_seed: [3; 32] }, Time(1), &mut effects);
        // Nobody comes: the window closes, the round is aborted.
        machine.handle(Input::Wake, Time(u64::MAX / 2), &mut effects);
        let died = made.persist(&mut records, &effects, survive);
        assert_eq!(died, survive < 4, "four records: plan, transcript, step, finished");
        drop(records);

        let (mut records, saved) = made.open();
        let (machine, effects) = made.start(saved);
        assert!(!made.persist(&mut records, &effects, usize::MAX));
        let rounds = u64::from(survive > 0);
        assert_eq!(machine.chain().headers().len() as u64, rounds, "after {survive} records");
        assert!(machine.is_resting());

        let (_, saved) = made.open();
        assert_eq!(saved.chain.head(), machine.chain().head(), "after {survive} records");
        assert!(saved.round.is_none(), "after {survive} records");
        assert_eq!(made.path.join("transcripts/round-000001").exists(), rounds == 1);
    }
}

#[test]
fn an_aborted_round_is_never_used_again() {
    let made = made();
    let (mut records, saved) = made.open();
    let (mut machine, mut effects) = made.start(saved);
    machine.handle(Input::Begin { rotation_seed: [3; 32] }, Time(1), &mut effects);
    made.persist(&mut records, &effects, usize::MAX);
    let (mut records, saved) = made.open();
    let (_, effects) = made.start(saved);
    made.persist(&mut records, &effects, usize::MAX);
    let (_, saved) = made.open();
    let header = saved.chain.headers()[0].check(coordinator_id(&made.key)).unwrap();
    assert_eq!(header.outcome, Outcome::Aborted { reason: AbortReason::Interrupted });
    assert_eq!(made.plan().check(coordinator_id(&made.key)).unwrap().round, Round(2));
}

/// Issues a version with this state, by hand.
fn issue(made: &Made, records: &mut Records, chain: &mut Chain, round: u64, value: f32) {
    let evidence = made.record(&made.plan());
    let gate = GateResult { loss_micro: 1, limit_micro: 2 };
    let (record, state) = (evidence.hash(), state(value));
    let outcome = Outcome::Issued { record, state: state.hash(), gate };
    let header = made.header(chain, round, outcome);
    records
        .persist(&Record::Step {
            header: header.signed().clone(),
            record: Some(Box::new(evidence)),
            state: Some(state.encode()),
        })
        .unwrap();
    chain.extend(header.signed()).unwrap();
}

#[test]
fn a_step_keeps_state_evidence_and_header() {
    let made = made();
    let (mut records, saved) = made.open();
    let mut chain = saved.chain;
    issue(&made, &mut records, &mut chain, 1, 1.0);
    drop(records);
    let (records, saved) = made.open();
    assert_eq!((saved.chain.head(), saved.state.hash()), (chain.head(), state(1.0).hash()));
    let Outcome::Issued { record, .. } =
        chain.headers()[0].check(coordinator_id(&made.key)).unwrap().outcome
    else {
        panic!("a version was issued")
    };
    let file = records.record_file(record);
    assert_eq!(read_record(&file, record).unwrap().unwrap().hash(), record);
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, &bytes).unwrap();
    let error = read_record(&file, record).unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()), "{error}");
    fs::remove_file(&file).unwrap();
    assert_eq!(read_record(&file, record).unwrap(), None, "pruned evidence is no error");
}

#[test]
fn old_states_are_forgotten_but_version_0_never() {
    let made = made();
    let (mut records, saved) = made.open();
    let mut chain = saved.chain;
    for round in 1..=4 {
        issue(&made, &mut records, &mut chain, round, round as f32);
    }
    records.prune(&chain, 0).unwrap();
    assert!(records.state(state(1.0).hash()).unwrap().is_some(), "0 keeps all");
    records.prune(&chain, 2).unwrap();
    let kept: Vec<bool> =
        (0..=4).map(|v| records.state(state(v as f32).hash()).unwrap().is_some()).collect();
    assert_eq!(kept, [true, false, false, true, true]);
    let (records, saved) = made.open();
    assert_eq!(saved.state.hash(), state(4.0).hash());
    assert!(records.state(state(2.0).hash()).unwrap().is_none());
}

#[test]
fn damage_is_named_and_nothing_is_touched() {
    let made = made();
    let states = made.path.join("states");
    let file = fs::read_dir(&states).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    bytes[40] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let error = Records::open(&Home::open(&made.path).unwrap()).err().unwrap();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error:#}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
    fs::remove_file(&file).unwrap();
    let error = Records::open(&Home::open(&made.path).unwrap()).err().unwrap().to_string();
    assert!(error.contains("version 0 is missing"), "{error}");
}

#[test]
fn a_changed_task_is_refused() {
    let made = made();
    let file = made.path.join(crate::home::CONFIG);
    fs::write(&file, CONFIG.replace("\nrank = 4", "\nrank = 5")).unwrap();
    let error = Home::open(&made.path).err().unwrap().to_string();
    assert!(error.contains("[adapter]"), "{error}");
    fs::write(&file, CONFIG.replace("\nlearning_rate = 0.01", "\nlearning_rate = 0.02")).unwrap();
    assert!(Home::open(&made.path).is_ok(), "rates may change");
}
