//! Slices: made by one store, verified and assembled by another.

use std::fs;

use proptest::prelude::*;
use store::{Contents, SLICE_BYTES, StoreError};
use tempfile::TempDir;
use wire::ContentHash;

fn contents() -> (TempDir, Contents) {
    let folder = tempfile::tempdir().unwrap();
    let contents = Contents::open(&folder.path().join("contents")).unwrap();
    (folder, contents)
}

fn blob(length: u64) -> Vec<u8> {
    (1..=length).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

fn file(folder: &TempDir, content: ContentHash, ending: &str) -> std::path::PathBuf {
    folder.path().join("contents").join(format!("{content}{ending}"))
}

/// Lengths around every edge of the tree.
fn lengths() -> Vec<u64> {
    let slice = SLICE_BYTES;
    vec![
        0,
        1,
        1024,
        1025,
        slice - 1,
        slice,
        slice + 1,
        2 * slice,
        3 * slice + 7,
        5 * slice,
        8 * slice,
    ]
}

#[test]
fn every_length_arrives_in_any_order() {
    let ((_here, from), (_there, to)) = (contents(), contents());
    for length in lengths() {
        let bytes = blob(length);
        let content = from.put(&bytes).unwrap();
        let mut assembly = to.assemble(content, length).unwrap();
        let mut offsets: Vec<u64> = assembly.missing().collect();
        assert_eq!(offsets.len() as u64, length.div_ceil(SLICE_BYTES).max(1));
        offsets.reverse();
        for offset in offsets {
            assert!(!assembly.is_complete());
            let slice = from.slice(content, offset).unwrap().unwrap();
            assert!(slice.len() as u64 <= SLICE_BYTES + 64 * 4);
            assembly.add(offset, &slice).unwrap();
        }
        assert!(assembly.is_complete() && assembly.missing().next().is_none());
        assert_eq!(assembly.finish().unwrap(), content);
        assert_eq!(to.get(content).unwrap().unwrap(), bytes);
        // Whoever has assembled it can serve it.
        assert_eq!(to.slice(content, 0).unwrap(), from.slice(content, 0).unwrap());
    }
    assert_eq!(to.list().unwrap().len(), lengths().len());
}

#[test]
fn an_assembly_goes_on_after_a_restart() {
    let ((_here, from), (there, to)) = (contents(), contents());
    let bytes = blob(5 * SLICE_BYTES + 99);
    let content = from.put(&bytes).unwrap();
    let length = bytes.len() as u64;
    let mut assembly = to.assemble(content, length).unwrap();
    for offset in [0, 3 * SLICE_BYTES, 5 * SLICE_BYTES] {
        assembly.add(offset, &from.slice(content, offset).unwrap().unwrap()).unwrap();
    }
    drop(assembly);
    let to = Contents::open(&there.path().join("contents")).unwrap();
    let mut assembly = to.assemble(content, length).unwrap();
    let missing: Vec<u64> = assembly.missing().collect();
    assert_eq!(missing, [1, 2, 4].map(|index| index * SLICE_BYTES));
    assert!(to.list().unwrap().is_empty(), "half a blob is not a blob");
    for offset in missing {
        assembly.add(offset, &from.slice(content, offset).unwrap().unwrap()).unwrap();
    }
    assembly.finish().unwrap();
    assert_eq!(to.get(content).unwrap().unwrap(), bytes);
}

#[test]
fn after_a_restart_the_disk_is_not_trusted() {
    let ((_here, from), (there, to)) = (contents(), contents());
    let bytes = blob(4 * SLICE_BYTES);
    let content = from.put(&bytes).unwrap();
    let mut assembly = to.assemble(content, bytes.len() as u64).unwrap();
    for index in 0..4 {
        let offset = index * SLICE_BYTES;
        assembly.add(offset, &from.slice(content, offset).unwrap().unwrap()).unwrap();
    }
    drop(assembly);
    let part = file(&there, content, ".part");
    let mut changed = fs::read(&part).unwrap();
    changed[2 * SLICE_BYTES as usize + 5] ^= 1;
    fs::write(&part, changed).unwrap();
    let assembly = to.assemble(content, bytes.len() as u64).unwrap();
    assert_eq!(assembly.missing().collect::<Vec<_>>(), [2 * SLICE_BYTES]);
    assert!(matches!(assembly.finish(), Err(StoreError::Incomplete { missing: 1, .. })));
    // Begun again with another length: from nothing.
    let assembly = to.assemble(content, bytes.len() as u64 - 1).unwrap();
    assert_eq!(assembly.missing().count(), 4);
}

#[test]
fn damage_is_never_served() {
    let (folder, contents) = contents();
    let bytes = blob(3 * SLICE_BYTES);
    let content = contents.put(&bytes).unwrap();
    assert!(contents.slice(content, 0).unwrap().is_some());
    let path = file(&folder, content, "");
    let mut changed = bytes.clone();
    changed[SLICE_BYTES as usize + 1] ^= 0x80;
    fs::write(&path, &changed).unwrap();
    assert!(contents.slice(content, 0).unwrap().is_some(), "this part is still good");
    let error = contents.slice(content, SLICE_BYTES).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { offset: SLICE_BYTES, .. }), "{error}");

    fs::write(&path, &bytes).unwrap();
    let tree = file(&folder, content, ".tree");
    let mut hashes = fs::read(&tree).unwrap();
    hashes[3] ^= 1;
    fs::write(&tree, hashes).unwrap();
    let error = contents.slice(content, 0).unwrap_err();
    assert!(error.to_string().contains(".tree is damaged"), "{error}");
    fs::remove_file(&tree).unwrap();
    assert!(contents.slice(content, 0).unwrap().is_some());

    fs::remove_file(&tree).unwrap();
    fs::write(&path, &changed).unwrap();
    assert!(matches!(contents.slice(content, 0), Err(StoreError::Damaged { offset: 0, .. })));
}

#[test]
fn offsets_where_no_slice_begins_are_refused() {
    let (_folder, contents) = contents();
    let content = contents.put(&blob(SLICE_BYTES + 1)).unwrap();
    let mut assembly = contents.assemble(content, SLICE_BYTES + 1).unwrap();
    for offset in
        [1, SLICE_BYTES - 1, 2 * SLICE_BYTES, u64::MAX / SLICE_BYTES * SLICE_BYTES, u64::MAX]
    {
        let refused = contents.slice(content, offset);
        assert!(matches!(refused, Err(StoreError::SliceOffset { .. })), "{offset}");
        let refused = assembly.add(offset, &[]);
        assert!(matches!(refused, Err(StoreError::SliceOffset { .. })), "{offset}");
    }
    assert_eq!(contents.slice(ContentHash([0; 32]), 0).unwrap(), None);
    assert!(matches!(contents.assemble(content, u64::MAX), Err(StoreError::TooLarge { .. })));
}

#[test]
fn a_wrong_slice_is_refused_and_nothing_is_written() {
    let ((_here, from), (there, to)) = (contents(), contents());
    let bytes = blob(3 * SLICE_BYTES + 10);
    let content = from.put(&bytes).unwrap();
    let last = 3 * SLICE_BYTES;
    let good = from.slice(content, last).unwrap().unwrap();
    let mut assembly = to.assemble(content, bytes.len() as u64).unwrap();
    let mut wrong = vec![from.slice(content, 0).unwrap().unwrap(), Vec::new()];
    wrong.push([&good[..], &[0]].concat());
    wrong.extend((0..good.len()).map(|cut| good[..cut].to_vec()));
    wrong.extend((0..good.len() * 8).map(|bit| {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    }));
    for slice in wrong {
        let refused = assembly.add(last, &slice);
        assert!(matches!(refused, Err(StoreError::Slice { .. })));
    }
    assert_eq!(assembly.missing().count(), 4);
    assert!(fs::read(file(&there, content, ".part")).unwrap().iter().all(|&byte| byte == 0));
    assembly.add(last, &good).unwrap();

    // The wrong length: nothing fits.
    let mut assembly = to.assemble(content, bytes.len() as u64 + 1).unwrap();
    assert!(assembly.add(last, &good).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn foreign_slices_never_panic(slice in prop::collection::vec(any::<u8>(), 0..3000), length in 0..6 * SLICE_BYTES, index in 0_u64..6) {
        let (_folder, contents) = contents();
        let mut assembly = contents.assemble(ContentHash([5; 32]), length).unwrap();
        prop_assert!(assembly.add(index * SLICE_BYTES, &slice).is_err());
    }
}
