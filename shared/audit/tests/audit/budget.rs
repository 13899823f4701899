//! The table per adversary, of ledgers and of plans.

use audit::{
    Line, audit_ledger, budget_of_ledger, budget_of_terms, curves, curves_of_terms, terms_of_plan,
};
use protocol::terms::Terms;

use crate::world::{genesis, play};

const NAMES: [&str; 8] = [
    "downloader",
    "coordinator",
    "noise-missing",
    "half-colluding",
    "nine-tenths-colluding",
    "invented-nodes",
    "masks-broken",
    "network-observer",
];

fn line<'a>(lines: &'a [Line], name: &str) -> &'a Line {
    lines.iter().find(|line| line.adversary == name).unwrap()
}

#[test]
fn a_ledger_has_a_line_for_each_adversary() {
    let evidence = play(4, 2, false);
    let (node, bytes) = &evidence.ledgers[0];
    let audit = audit_ledger(bytes, *node, None);
    let lines = budget_of_ledger(&audit.sound, 1e-6).unwrap();
    assert_eq!(lines.iter().map(|line| line.adversary).collect::<Vec<_>>(), NAMES);

    // Two rounds of z = 1 with three honest shares: ρ = 1, and three times that when alone.
    let intact = line(&lines, "coordinator");
    assert!((intact.rho.unwrap() - 1.0).abs() < 1e-3, "{intact:?}");
    assert_eq!(intact.shares, Some((3, 3)));
    assert!(intact.meaningful && intact.words.contains("a factor of at most 2,"), "{intact:?}");
    assert!((line(&lines, "half-colluding").rho.unwrap() - 3.0).abs() < 3e-3);
    for alone in ["nine-tenths-colluding", "invented-nodes", "masks-broken"] {
        let alone = line(&lines, alone);
        assert!((alone.rho.unwrap() - 3.0).abs() < 3e-3 && alone.shares == Some((1, 1)));
    }
    let observer = line(&lines, "network-observer");
    assert_eq!((observer.rho, observer.epsilon, observer.meaningful), (None, None, false));
    assert!(observer.words.contains("NOT COVERED"));
}

#[test]
fn a_plan_costs_what_its_nodes_compute() {
    let evidence = play(4, 1, false);
    let plan = evidence.transcripts[0].rest.plan.check(genesis().coordinator).unwrap();
    let terms = terms_of_plan(&plan).unwrap();
    assert_eq!(terms, Terms::read(plan, &genesis()).unwrap().charge);
    let one = budget_of_terms(&terms, 1, 1e-6).unwrap();
    let many = budget_of_terms(&terms, 100, 1e-6).unwrap();
    for (one, many) in one.iter().zip(&many).filter(|(one, _)| one.rho.is_some()) {
        assert!((many.rho.unwrap() / one.rho.unwrap() - 100.0).abs() < 1e-9);
        assert!(many.epsilon > one.epsilon);
        assert!(!many.meaningful && many.words.contains("NO MEANINGFUL GUARANTEE"), "{many:?}");
    }
    let beyond = budget_of_terms(&terms, u64::MAX, 1e-6).unwrap();
    assert_eq!((beyond[0].rho, beyond[0].epsilon, beyond[0].meaningful), (None, None, false));
}

#[test]
fn curves_rise_and_end_where_the_table_does() {
    let evidence = play(4, 3, false);
    let (node, bytes) = &evidence.ledgers[0];
    let audit = audit_ledger(bytes, *node, None);
    let curves = curves(&audit.sound, 1e-6);
    let lines = budget_of_ledger(&audit.sound, 1e-6).unwrap();
    assert!(!curves.is_empty());
    for (name, points) in &curves {
        assert_eq!(points.len(), 3);
        assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{points:?}");
        let last = lines.iter().find(|line| line.who == *name).unwrap().epsilon;
        assert_eq!(Some(points[2].1), last);
    }
}

#[test]
fn curves_of_a_plan_are_those_of_a_ledger_of_its_rounds() {
    let evidence = play(4, 3, false);
    let plan = evidence.transcripts[0].rest.plan.check(genesis().coordinator).unwrap();
    let (node, bytes) = &evidence.ledgers[0];
    let ledger = curves(&audit_ledger(bytes, *node, None).sound, 1e-6);
    let planned = curves_of_terms(&terms_of_plan(&plan).unwrap(), 3, 1e-6);
    assert_eq!(planned, ledger, "three rounds under the same terms");
    let long = curves_of_terms(&terms_of_plan(&plan).unwrap(), 1_000_000, 1e-6);
    assert!(long[0].1.len() <= 301 && long[0].1.last().unwrap().0 == 1e6);
}

#[test]
fn delta_must_be_a_probability() {
    assert!(budget_of_ledger(&[], 0.0).is_err());
    let empty = budget_of_ledger(&[], 1e-6).unwrap();
    assert!(empty[..7].iter().all(|line| line.epsilon == Some(0.0)));
}
