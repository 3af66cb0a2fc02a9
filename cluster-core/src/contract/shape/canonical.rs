//! The canonical table, its bytes and their hash. The specification stands at
//! [`Shape`](super::Shape).

use std::collections::HashMap;

use super::{Node, NodeId, Note};
use crate::contract::{Fingerprint, wire};

/// Stands before the canonical bytes, so that a later description of shapes hashes differently.
const DOMAIN: &[u8] = b"dur1\n";

/// The smallest table that unfolds to the same tree from `root`, numbered from there.
pub(super) fn fewest(nodes: Vec<Node>, notes: Vec<Note>, root: NodeId) -> (Vec<Node>, Vec<Note>) {
    let class = classes(&nodes, &notes);
    // The number of each class in the new table, and a member of it, in the order of the walk.
    let mut number: HashMap<usize, NodeId> = HashMap::new();
    let mut members: Vec<usize> = Vec::new();
    let mut stack = vec![root];
    while let Some(id) = stack.pop() {
        let index = id.index();
        if number.contains_key(&class[index]) {
            continue;
        }
        number.insert(class[index], NodeId::new(members.len()));
        members.push(index);
        stack.extend(nodes[index].children().into_iter().rev());
    }
    let renumbered = members.iter().map(|&index| {
        let mut node = nodes[index].clone();
        node.redirect(|child| number[&class[child.index()]]);
        node
    });
    (renumbered.collect(), members.iter().map(|&index| notes[index].clone()).collect())
}

/// Numbers such that two nodes have the same one exactly if they unfold to the same tree: start
/// with what can be seen on a node itself, then tell apart nodes whose children differ until
/// nothing changes.
fn classes(nodes: &[Node], notes: &[Note]) -> Vec<usize> {
    let mut labels: HashMap<(Node, &Note), usize> = HashMap::new();
    let mut class: Vec<usize> = nodes
        .iter()
        .zip(notes)
        .map(|(node, note)| {
            let mut label = node.clone();
            label.redirect(|_| NodeId::ROOT);
            let next = labels.len();
            *labels.entry((label, note)).or_insert(next)
        })
        .collect();
    let mut count = labels.len();
    loop {
        let mut refined: HashMap<(usize, Vec<usize>), usize> = HashMap::new();
        let finer = nodes.iter().enumerate().map(|(index, node)| {
            let children = node.children().iter().map(|child| class[child.index()]).collect();
            let next = refined.len();
            *refined.entry((class[index], children)).or_insert(next)
        });
        class = finer.collect();
        if refined.len() == count {
            return class;
        }
        count = refined.len();
    }
}

/// The canonical bytes of a table whose root is the first node.
pub(super) fn bytes(nodes: &[Node]) -> Vec<u8> {
    let mut unnamed = nodes.to_vec();
    unnamed.iter_mut().for_each(Node::sort_names);
    let notes = vec![Note::default(); unnamed.len()];
    let (nodes, _) = fewest(unnamed, notes, NodeId::ROOT);
    wire::to_vec(&nodes)
}

pub(super) fn fingerprint(nodes: &[Node]) -> Fingerprint {
    let mut hashed = DOMAIN.to_vec();
    hashed.extend(bytes(nodes));
    Fingerprint::from_u64(xxhash_rust::xxh3::xxh3_64(&hashed))
}
