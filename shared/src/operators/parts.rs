//! Which nodes of tract's graph become which operator of ours.

use std::collections::{HashMap, HashSet};

use tract_onnx::prelude::*;

use super::find::{Convolution, Finder};

/// What becomes one operator.
pub enum Part<'a> {
    Stem(Convolution<'a>),
    Pointwise(Chain<'a>),
    Block(Box<BlockPart<'a>>),
    Sum(usize),
}

/// A 1 x 1 convolution and what is added to it.
pub struct Chain<'a> {
    pub convolution: Convolution<'a>,
    pub added: Option<OutletId>,
    pub to: OutletId,
}

pub struct BlockPart<'a> {
    pub expand: Option<Convolution<'a>>,
    pub depthwise: Convolution<'a>,
    pub project: Option<Chain<'a>>,
    /// Nodes that sum what the depthwise convolution gives.
    pub sums: Vec<usize>,
}

#[derive(Default)]
pub struct Parts<'a> {
    /// By the node in whose place they are built.
    pub starts: HashMap<usize, Part<'a>>,
    /// Nodes that they stand for.
    pub gone: HashSet<usize>,
}

impl<'a> Parts<'a> {
    pub fn find(model: &'a TypedModel, order: &[usize]) -> Self {
        let finder = Finder::new(model);
        let mut parts = Self::default();
        let places: HashMap<usize, usize> = order.iter().copied().zip(0..).collect();
        let convolutions: HashMap<usize, Convolution<'a>> = order
            .iter()
            .filter_map(|&node| Some((node, finder.convolution(node)?)))
            .collect();
        let by_end: HashMap<OutletId, usize> = convolutions
            .iter()
            .map(|(&node, convolution)| (convolution.to, node))
            .collect();
        let chain = |node: usize, at: usize| -> Option<Chain<'a>> {
            let convolution = finder.convolution(node)?;
            if !convolution.is_pointwise() {
                return None;
            }
            // Limits come before an addition, and ours after it.
            let is_plain = convolution.limits == (f32::NEG_INFINITY, f32::INFINITY);
            let addition = finder.addition(convolution.to).filter(|addition| {
                is_plain
                    && places
                        .get(&addition.added.node)
                        .is_some_and(|&place| place < at)
            });
            Some(Chain {
                to: addition
                    .as_ref()
                    .map_or(convolution.to, |addition| addition.to),
                added: addition.map(|addition| addition.added),
                convolution,
            })
        };
        // Blocks first: what is theirs is not taken by itself.
        for &node in order {
            let Some(depthwise) = convolutions.get(&node).filter(|found| found.is_depthwise())
            else {
                continue;
            };
            let expand = by_end.get(&depthwise.from).filter(|&&expand| {
                let is_alone = finder.only_user(depthwise.from) == Some(node);
                // What narrows one block does not widen the next, where there are no others between.
                let is_free = !parts.gone.contains(&expand);
                is_alone && is_free && convolutions[&expand].is_pointwise()
            });
            let (mut sums, mut others) = (Vec::new(), Vec::new());
            for user in finder.users(depthwise.to) {
                match finder.is_sum(user) {
                    true => sums.push(user),
                    false => others.push(user),
                }
            }
            let project = match others.as_slice() {
                &[only] if !finder.is_output(depthwise.to) => chain(only, places[&node]),
                _ => None,
            };
            if project.is_none() {
                // They read what comes out.
                sums.clear();
            }
            let Some(depthwise) = finder.convolution(node) else {
                continue;
            };
            parts.add(
                node,
                Part::Block(Box::new(BlockPart {
                    expand: expand.and_then(|&expand| finder.convolution(expand)),
                    depthwise,
                    project,
                    sums,
                })),
            );
        }
        // The rest only beside those: between tract's operators, turning maps around costs more.
        let is_ours = |parts: &Self, node: usize| {
            let mut blocks = parts.starts.values();
            parts.gone.contains(&node)
                && blocks.any(|part| part.first().is_some_and(|first| first.nodes[0] == node))
        };
        let mut pixels: HashSet<OutletId> = parts.starts.values().map(Part::to).collect();
        for &node in order {
            if parts.gone.contains(&node) {
                continue;
            }
            let Some(convolution) = convolutions.get(&node) else {
                let input = model.nodes[node].inputs.first();
                if finder.is_sum(node) && input.is_some_and(|input| pixels.contains(input)) {
                    parts.add(node, Part::Sum(node));
                }
                continue;
            };
            let users = finder.users(convolution.to);
            let part = if pixels.contains(&convolution.from) {
                chain(node, places[&node]).map(Part::Pointwise)
            } else if users.iter().any(|&user| is_ours(&parts, user)) && convolution.is_stem() {
                finder.convolution(node).map(Part::Stem)
            } else {
                None
            };
            if let Some(part) = part {
                pixels.insert(part.to());
                parts.add(node, part);
            }
        }
        parts
    }

    /// How many weights all operators have together, each its own.
    pub fn weights(&self) -> usize {
        let each = self.starts.values().map(|part| match part {
            Part::Stem(convolution) => convolution.weights(),
            Part::Pointwise(chain) => chain.convolution.weights(),
            Part::Block(block) => {
                let before = block.expand.iter().chain([&block.depthwise]);
                let after = block.project.iter().map(|chain| &chain.convolution);
                before.chain(after).map(Convolution::weights).sum()
            }
            Part::Sum(_) => 0,
        });
        each.fold(0, usize::saturating_add)
    }

    fn add(&mut self, node: usize, part: Part<'a>) {
        let chain = |chain: &Chain<'a>| {
            let end = chain.added.map(|_| chain.to.node);
            chain
                .convolution
                .nodes
                .iter()
                .copied()
                .chain(end)
                .collect::<Vec<_>>()
        };
        match &part {
            Part::Stem(convolution) => self.gone.extend(&convolution.nodes),
            Part::Pointwise(pointwise) => self.gone.extend(chain(pointwise)),
            Part::Block(block) => {
                let before = block.expand.iter().flat_map(|expand| &expand.nodes);
                self.gone
                    .extend(before.chain(&block.depthwise.nodes).chain(&block.sums));
                self.gone.extend(block.project.iter().flat_map(chain));
            }
            Part::Sum(node) => {
                self.gone.insert(*node);
            }
        }
        self.starts.insert(node, part);
    }
}

impl<'a> Part<'a> {
    /// The convolution that it begins with.
    fn first(&self) -> Option<&Convolution<'a>> {
        match self {
            Part::Stem(convolution) => Some(convolution),
            Part::Pointwise(chain) => Some(&chain.convolution),
            Part::Block(block) => Some(block.expand.as_ref().unwrap_or(&block.depthwise)),
            Part::Sum(_) => None,
        }
    }

    /// What comes out.
    pub fn to(&self) -> OutletId {
        match self {
            Part::Stem(convolution) => convolution.to,
            Part::Pointwise(chain) => chain.to,
            Part::Block(block) => {
                let chain = block.project.as_ref();
                chain.map_or(block.depthwise.to, |chain| chain.to)
            }
            Part::Sum(node) => OutletId::new(*node, 0),
        }
    }
}
