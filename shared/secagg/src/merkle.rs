//! A BLAKE3 Merkle tree, so that each member checks that its inbox is under the signed root
//! without seeing the others'.
//!
//! Leaves, inner nodes and the root are hashed under different contexts, so none can pass for
//! another. A level's last node without a partner moves up unchanged (it is never paired with
//! itself, which would let two lists share a root). The root also covers the number of leaves,
//! so it fixes the shape of the tree.

use crate::{SecaggError, derive};

/// The root over the leaves, in order.
///
/// # Errors
/// [`SecaggError::NoLeaves`].
pub fn root(leaves: &[[u8; 32]]) -> Result<[u8; 32], SecaggError> {
    if leaves.is_empty() {
        return Err(SecaggError::NoLeaves);
    }
    let mut level = first_level(leaves);
    while level.len() > 1 {
        level = next_level(&level);
    }
    Ok(finish(leaves.len(), &level[0]))
}

/// The siblings on the way from a leaf to the root, lowest first; levels on which the way moves
/// up without a partner give none.
///
/// # Errors
/// [`SecaggError::NoSuchLeaf`].
pub fn prove(leaves: &[[u8; 32]], index: usize) -> Result<Vec<[u8; 32]>, SecaggError> {
    if index >= leaves.len() {
        return Err(SecaggError::NoSuchLeaf { index, leaves: leaves.len() });
    }
    let (mut level, mut place, mut path) = (first_level(leaves), index, Vec::new());
    while level.len() > 1 {
        path.extend(level.get(place ^ 1));
        level = next_level(&level);
        place /= 2;
    }
    Ok(path)
}

/// Whether `leaf` is at place `index` of the `count` leaves under `root`.
pub fn verify(
    root: &[u8; 32],
    count: usize,
    index: usize,
    leaf: &[u8; 32],
    path: &[[u8; 32]],
) -> bool {
    if index >= count {
        return false;
    }
    let (mut node, mut place, mut width) = (hash(derive::MERKLE_LEAF, &[leaf]), index, count);
    let mut siblings = path.iter();
    while width > 1 {
        if place ^ 1 < width {
            let Some(sibling) = siblings.next() else { return false };
            node = if place % 2 == 0 { join(&node, sibling) } else { join(sibling, &node) };
        }
        place /= 2;
        width = width.div_ceil(2);
    }
    siblings.next().is_none() && finish(count, &node) == *root
}

fn first_level(leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    leaves.iter().map(|leaf| hash(derive::MERKLE_LEAF, &[leaf])).collect()
}

fn next_level(level: &[[u8; 32]]) -> Vec<[u8; 32]> {
    let pairs = level.chunks(2);
    pairs.map(|pair| if let [left, right] = pair { join(left, right) } else { pair[0] }).collect()
}

fn join(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    hash(derive::MERKLE_NODE, &[left, right])
}

/// The count, as 8 bytes, little-endian, then the top node.
fn finish(count: usize, top: &[u8; 32]) -> [u8; 32] {
    hash(derive::MERKLE_ROOT, &[&(count as u64).to_le_bytes(), top])
}

fn hash(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_leaves() -> impl Strategy<Value = Vec<[u8; 32]>> {
        prop::collection::vec(any::<[u8; 32]>(), 1..80)
    }

    proptest! {
        #[test]
        fn every_leaf_is_proved_at_its_own_place_only(leaves in some_leaves(), other: prop::sample::Index) {
            let (root, count) = (root(&leaves).unwrap(), leaves.len());
            let other = other.index(count);
            for (index, leaf) in leaves.iter().enumerate() {
                let path = prove(&leaves, index).unwrap();
                prop_assert!(path.len() <= 7);
                prop_assert!(verify(&root, count, index, leaf, &path));
                prop_assert_eq!(verify(&root, count, other, leaf, &path), other == index);
                prop_assert!(!verify(&root, count + 1, index, leaf, &path));
                prop_assert!(!verify(&root, count, count + index, leaf, &path));
            }
        }

        #[test]
        fn any_flipped_bit_is_seen(leaves in some_leaves(), place: prop::sample::Index, bit in 0usize..256) {
            let flip = |bytes: &mut [u8; 32]| bytes[bit / 8] ^= 1 << (bit % 8);
            let (top, index) = (root(&leaves).unwrap(), place.index(leaves.len()));
            let path = prove(&leaves, index).unwrap();
            let mut leaf = leaves[index];
            flip(&mut leaf);
            prop_assert!(!verify(&top, leaves.len(), index, &leaf, &path));
            for step in 0..path.len() {
                let mut changed = path.clone();
                flip(&mut changed[step]);
                prop_assert!(!verify(&top, leaves.len(), index, &leaves[index], &changed));
            }
            let longer = [&path[..], &[[0; 32]]].concat();
            prop_assert!(!verify(&top, leaves.len(), index, &leaves[index], &longer));
            if let Some((_, shorter)) = path.split_last() {
                prop_assert!(!verify(&top, leaves.len(), index, &leaves[index], shorter));
            }
            let mut changed = leaves.clone();
            flip(&mut changed[index]);
            prop_assert_ne!(root(&changed).unwrap(), top);
        }
    }

    #[test]
    fn lists_that_naive_trees_confuse_have_different_roots() {
        let [a, b, c] = [[1; 32], [2; 32], [3; 32]];
        let roots =
            [vec![a, b, c], vec![a, b, c, c], vec![b, a, c], vec![a, b], vec![join(&a, &b)]];
        let roots: Vec<_> = roots.iter().map(|leaves| root(leaves).unwrap()).collect();
        for (place, root) in roots.iter().enumerate() {
            assert!(!roots[..place].contains(root));
        }
    }

    #[test]
    fn empty_trees_and_missing_leaves_are_errors() {
        assert_eq!(root(&[]), Err(SecaggError::NoLeaves));
        let error = SecaggError::NoSuchLeaf { index: 2, leaves: 2 };
        assert_eq!(prove(&[[0; 32]; 2], 2), Err(error));
        assert!(!verify(&[0; 32], 0, 0, &[0; 32], &[]));
    }
}
