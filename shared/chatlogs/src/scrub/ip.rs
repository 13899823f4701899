//! Addresses of the internet protocol that point to somebody: not the loopback, not "any".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{fixed, neighbours};

pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    found.extend(FOUR.find_iter(text).map(|hit| hit.range()).filter(|hit| is_four(text, hit)));
    found.extend(SIX.find_iter(text).map(|hit| hit.range()).filter(|hit| is_six(text, hit)));
}

fn is_four(text: &str, hit: &Range<usize>) -> bool {
    let Ok(address) = text[hit.clone()].parse::<Ipv4Addr>() else {
        return false;
    };
    let before = &text[..hit.start];
    // "version 10.0.0.1" and "§ 1.2.3.4" are no addresses; nor are longer rows of numbers.
    let version = VERSION.is_match(before);
    let joined = before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let goes_on = GOES_ON.is_match(&text[hit.end..]);
    let small = address.octets().iter().all(|&octet| octet < 10);
    points_to_somebody(IpAddr::V4(address)) && !(version || joined || goes_on || small)
}

fn is_six(text: &str, hit: &Range<usize>) -> bool {
    let candidate = &text[hit.clone()];
    let (before, after) = neighbours(text, hit);
    let joined = [before, after].into_iter().flatten().any(char::is_alphanumeric);
    // Times ("12:30:15") and Rust paths ("a::b") also have colons.
    let long = candidate.matches(':').count() >= 3 && candidate.chars().any(|c| c.is_ascii_digit());
    let address = candidate.parse::<Ipv6Addr>();
    !joined && long && address.is_ok_and(|address| points_to_somebody(IpAddr::V6(address)))
}

fn points_to_somebody(address: IpAddr) -> bool {
    !address.is_loopback()
        && !address.is_unspecified()
        && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

static FOUR: LazyLock<Regex> = LazyLock::new(|| fixed(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"));

static SIX: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"(?i)[0-9a-f]{0,4}:[0-9a-f:]{2,34}[0-9a-f]{1,4}"));

static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    fixed(r"(?i)(?:\bversion|\bver\.?|\brelease|\bbuild|\bv|§|\bsection)[ :]{0,2}$")
});

static GOES_ON: LazyLock<Regex> = LazyLock::new(|| fixed(r"^(?:\.?[0-9]|[\p{L}_-])"));

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn finds_addresses_and_leaves_versions_and_times() {
        let hits = |text| found(find, text);
        assert_eq!(
            hits("ssh me@81.23.4.17, or 192.168.1.20:8080."),
            ["81.23.4.17", "192.168.1.20"]
        );
        assert_eq!(
            hits("2001:db8:0:1::7f fe80::1ff:fe23:4567:890a"),
            ["2001:db8:0:1::7f", "fe80::1ff:fe23:4567:890a"]
        );
        assert_eq!(
            hits("127.0.0.1 version 10.15.7.3 v2.10.30.4 1.2.3.4.5 300.1.1.1 1.2.3.4"),
            [""; 0]
        );
        assert_eq!(hits("at 12:30:15, std::net::a, ::1"), [""; 0]);
    }
}
