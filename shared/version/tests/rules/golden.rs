//! The server's rules against an independent numpy computation (golden/make.py), bit for bit.

use std::collections::BTreeMap;

use super::terms::plan;
use data_encoding::HEXLOWER;
use version::{State, mean_update, next_state};
use wire::{Plan, ServerRule};

struct Case {
    name: &'static str,
    terms: BTreeMap<&'static str, &'static str>,
    steps: Vec<BTreeMap<&'static str, &'static str>>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("../../golden/next_state.txt").lines() {
        let (key, value) = line.split_once(' ').expect("every line is a key and a value");
        if key == "case" {
            cases.push(Case { name: value, terms: BTreeMap::new(), steps: Vec::new() });
            continue;
        }
        let case = cases.last_mut().expect("the file begins with a case");
        if key == "sum" {
            case.steps.push(BTreeMap::new());
        }
        case.steps.last_mut().unwrap_or(&mut case.terms).insert(key, value);
    }
    cases
}

impl Case {
    fn number(&self, key: &str) -> u64 {
        self.terms[key].parse().unwrap()
    }

    fn rule(&self) -> ServerRule {
        let adaptive = || (self.number("beta1"), self.number("beta2"), self.number("tau"));
        match self.terms["rule"] {
            "FedAvg" => ServerRule::FedAvg,
            "FedAvgM" => ServerRule::FedAvgM { momentum_q32: self.number("momentum") },
            "FedAdagrad" => ServerRule::FedAdagrad { tau_q32: self.number("tau") },
            "FedAdam" => {
                let (beta1_q32, beta2_q32, tau_q32) = adaptive();
                ServerRule::FedAdam { beta1_q32, beta2_q32, tau_q32 }
            }
            "FedYogi" => {
                let (beta1_q32, beta2_q32, tau_q32) = adaptive();
                ServerRule::FedYogi { beta1_q32, beta2_q32, tau_q32 }
            }
            other => panic!("unknown rule {other}"),
        }
    }

    fn plan(&self) -> Plan {
        let mut plan = plan(self.rule());
        plan.dimension = self.number("dimension") as u32;
        plan.grid.modulus_bits = self.number("bits") as u8;
        plan.grid.scale_q32 = self.number("scale_q32");
        plan.grid.rotation_seed = bytes(self.terms["seed"]).try_into().unwrap();
        plan.server.learning_rate_q32 = self.number("learning_rate");
        plan
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

fn hex(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    HEXLOWER.encode(&bytes)
}

#[test]
fn every_rule_gives_the_reference_bits() {
    let cases = cases();
    assert_eq!(cases.len(), 9);
    for case in cases {
        let (plan, survivors) = (case.plan(), case.number("survivors") as usize);
        let initial = bytes(case.terms["initial"]);
        let initial = initial.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        let mut state = State::initial(initial.collect());
        assert_eq!(case.steps.len(), 3, "{}", case.name);
        for step in &case.steps {
            let sum = bytes(step["sum"]);
            let mean = mean_update(&plan, survivors, &sum).unwrap();
            assert_eq!(hex(&mean), step["mean"], "mean of {}", case.name);
            state = next_state(&state, &plan, survivors, &sum).unwrap();
            assert_eq!(HEXLOWER.encode(&state.encode()), step["state"], "state of {}", case.name);
            assert_eq!(state.hash().to_string(), step["hash"], "hash of {}", case.name);
            assert_eq!(State::decode(&state.encode()), Ok(state.clone()));
        }
    }
}

#[test]
fn a_tampered_sum_gives_another_state() {
    for case in cases() {
        let (plan, survivors) = (case.plan(), case.number("survivors") as usize);
        let state = State::initial(vec![0.0; plan.dimension as usize]);
        let sum = bytes(case.steps[0]["sum"]);
        let honest = next_state(&state, &plan, survivors, &sum).unwrap();
        let values = sum.len() * 8 / usize::from(plan.grid.modulus_bits);
        for index in 0..values {
            // The highest bit of a value.
            let at = (index + 1) * usize::from(plan.grid.modulus_bits) - 1;
            let mut tampered = sum.clone();
            tampered[at / 8] ^= 1 << (at % 8);
            let other = next_state(&state, &plan, survivors, &tampered).unwrap();
            assert_ne!(other.hash(), honest.hash(), "value {index} of {}", case.name);
        }
        let other = next_state(&state, &plan, survivors + 1, &sum).unwrap();
        assert_ne!(other.hash(), honest.hash());
    }
}
