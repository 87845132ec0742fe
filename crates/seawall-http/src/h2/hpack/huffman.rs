//! The Huffman code (RFC 7541 §5.2, appendix B), decoded four bits at a time.
//!
//! The code is canonical: the lengths alone give it. From them a table of states is built when this is compiled:
//! a state is an inner node of the code's tree, of which there are 256. Four bits end one symbol at the most, as the
//! shortest has five.

/// Why a string does not decode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct HuffmanError;

/// Appends what `bytes` stand for.
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), HuffmanError> {
    // At the most 8 bits for every 5.
    out.reserve(bytes.len() * 8 / 5 + 1);
    let mut state = 0;
    for &byte in bytes {
        for bits in [byte >> 4, byte & 15] {
            let step = STEPS[state as usize][bits as usize];
            match step.symbol {
                NO_SYMBOL => {}
                END => return Err(HuffmanError),
                symbol => out.push(symbol as u8),
            }
            state = step.next;
        }
    }
    // What is left is padding: fewer than 8 bits, all set, as the code for the end begins.
    if IS_PADDING[state as usize] { Ok(()) } else { Err(HuffmanError) }
}

/// What four bits do in a state.
#[derive(Clone, Copy)]
struct Step {
    next: u8,
    symbol: u16,
}

/// No symbol ends here.
const NO_SYMBOL: u16 = 0xffff;
/// The symbol for the end, which no string may hold (RFC 7541 §5.2).
const END: u16 = 256;

/// The code's tree: each inner node's two children, inner nodes counted from 0, symbols from `SYMBOLS`.
struct Tree {
    children: [[u16; 2]; 256],
}

const SYMBOLS: u16 = 1000;
const MISSING: u16 = 0xffff;

const TREE: Tree = build_tree();
static STEPS: [[Step; 16]; 256] = build_steps(&TREE);
static IS_PADDING: [bool; 256] = build_padding(&TREE);

const fn build_tree() -> Tree {
    let mut tree = Tree { children: [[MISSING; 2]; 256] };
    let mut nodes = 1;
    let mut code = 0u32;
    let mut length = 1;
    // Canonical: by length, then by symbol, each code is the one before plus one.
    while length <= 30 {
        let mut symbol = 0;
        while symbol <= END {
            let own = if symbol == END { 30 } else { LENGTHS[symbol as usize] };
            if own == length {
                nodes = add(&mut tree, nodes, code, length, symbol);
                code += 1;
            }
            symbol += 1;
        }
        code <<= 1;
        length += 1;
    }
    tree
}

/// Adds a symbol; gives how many inner nodes there are then.
const fn add(tree: &mut Tree, mut nodes: u16, code: u32, length: u8, symbol: u16) -> u16 {
    let mut node = 0;
    let mut left = length;
    while left > 1 {
        left -= 1;
        let bit = (code >> left & 1) as usize;
        if tree.children[node][bit] == MISSING {
            tree.children[node][bit] = nodes;
            nodes += 1;
        }
        node = tree.children[node][bit] as usize;
    }
    tree.children[node][(code & 1) as usize] = SYMBOLS + symbol;
    nodes
}

const fn build_steps(tree: &Tree) -> [[Step; 16]; 256] {
    let mut steps = [[Step { next: 0, symbol: NO_SYMBOL }; 16]; 256];
    let mut state = 0;
    while state < 256 {
        let mut bits = 0;
        while bits < 16 {
            let (mut node, mut symbol) = (state as u16, NO_SYMBOL);
            let mut left = 4;
            while left > 0 {
                left -= 1;
                node = tree.children[node as usize][bits >> left & 1];
                if node >= SYMBOLS {
                    symbol = node - SYMBOLS;
                    node = 0;
                }
            }
            steps[state][bits] = Step { next: node as u8, symbol };
            bits += 1;
        }
        state += 1;
    }
    steps
}

const fn build_padding(tree: &Tree) -> [bool; 256] {
    let mut padding = [false; 256];
    let mut node = 0;
    let mut bits = 0;
    while bits < 8 {
        padding[node] = true;
        node = tree.children[node][1] as usize;
        bits += 1;
    }
    padding
}

/// Bits of each octet's code.
pub(super) static LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];
