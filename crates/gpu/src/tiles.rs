//! Products over tiles: the kernels of pointwise convolutions on a device's matrix unit.
//!
//! A workgroup makes a block of [`BLOCK`] by [`BLOCK`] values. Its lanes bring both factors to workgroup memory as float16, subgroups
//! multiply tiles of them and add up in float32, and the sums go back through workgroup memory to the lanes, which do with them what
//! they do without tiles.

use crate::shader::{self, LANES, Op, part};

/// Tiles as a device multiplies them, float16 factors and float32 sums, and the subgroups that do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    side: usize,
    /// Lanes of a subgroup, at least and at most.
    subgroup: [usize; 2],
}

/// Rows and channels of a workgroup's block.
pub const BLOCK: usize = 64;

/// Columns of lanes, of four channels each.
pub const COLUMNS: usize = BLOCK / 4;

/// How far the sum goes on between two barriers.
pub const DEPTH: usize = 32;

/// Values that one row of a factor takes in workgroup memory, in fours: two more than there are, so that rows begin in other banks.
const LONG: usize = DEPTH / 4 + 2;
const WIDE: usize = BLOCK / 4 + 2;

/// The same of the sums: one more.
const SUMS: usize = BLOCK / 4 + 1;

impl Tile {
    /// Tiles of this side, multiplied by subgroups of at least and at most so many lanes, where the kernels can divide a block among
    /// them.
    pub fn new(side: usize, subgroup: [usize; 2]) -> Option<Self> {
        let tile = Self { side, subgroup };
        let is_size = |lanes: usize| lanes.is_power_of_two() && (4..=LANES).contains(&lanes);
        let is_known = matches!(side, 8 | 16) && subgroup.iter().all(|&lanes| is_size(lanes));
        // A portion holds a tile, and workgroup memory a row of tiles of each portion.
        let is_held = || tile.columns() > 0 && side * tile.down() <= 16;
        (is_known && is_held()).then_some(tile)
    }

    /// Lanes of a subgroup, at least and at most.
    pub fn subgroup(self) -> [usize; 2] {
        self.subgroup
    }

    /// Rows and columns of a tile.
    pub fn side(self) -> usize {
        self.side
    }

    /// Portions of a block, side by side. There is one for each subgroup of the least size.
    fn across(self) -> usize {
        match LANES / self.subgroup[0] {
            16 => 8,
            subgroups => subgroups.min(4),
        }
    }

    /// Portions of a block, one below the other.
    fn down(self) -> usize {
        LANES / self.subgroup[0] / self.across()
    }

    /// Portions of a subgroup of the largest size.
    fn shares(self) -> usize {
        self.subgroup[1] / self.subgroup[0]
    }

    /// Rows of tiles in a portion.
    fn rows(self) -> usize {
        BLOCK / self.down() / self.side
    }

    /// Columns of tiles in a portion.
    fn columns(self) -> usize {
        BLOCK / self.across() / self.side
    }

    /// The WGSL of a kernel over tiles.
    pub(crate) fn text(self, op: Op) -> String {
        let mut traits = vec!["NORMALISED"];
        let mut parts = vec![part!("tile_enable"), part!("step"), part!("bf16"), part!("vectors")];
        let reading = |gated: bool| if gated { "GATED" } else { "OPEN" };
        let (multiply, long) = match op {
            Op::Dense { gated, moments, .. } => {
                traits.push(reading(gated));
                parts.extend([part!("lane"), part!("gathered"), part!("source"), part!("tile")]);
                if moments {
                    traits.push("MOMENTS");
                    parts.extend([part!("scratch"), part!("moments_epilogue")]);
                }
                parts.extend([part!("tile_product"), part!("tile_dense")]);
                (self.multiply(false), LONG)
            }
            Op::DenseInput { .. } => {
                traits.push("APART");
                parts.extend([part!("lane"), part!("gathered"), part!("scratch"), part!("gradient")]);
                parts.extend([part!("sink"), part!("tile"), part!("tile_product"), part!("tile_input")]);
                (self.multiply(false), LONG)
            }
            Op::DenseWeights { gated, .. } => {
                traits.push(reading(gated));
                parts.extend([part!("scratch"), part!("source"), part!("gradient"), part!("tile")]);
                parts.push(part!("tile_weights"));
                (self.multiply(true), WIDE)
            }
            op => unreachable!("{op:?} is no product over tiles"),
        };
        let left = (BLOCK * LONG).max(DEPTH * WIDE);
        let names = [
            ("$LEFT", left.to_string()),
            ("$RIGHT", (DEPTH * WIDE).to_string()),
            ("$LONG", long.to_string()),
            ("$BROAD", WIDE.to_string()),
            ("$SUMS", SUMS.to_string()),
            ("$GATHERED", (self.side * self.down() * SUMS).max(3 * LANES).to_string()),
            ("$ACROSS", self.across().to_string()),
            ("$TALL", (BLOCK / self.down()).to_string()),
            ("$WIDE", (BLOCK / self.across()).to_string()),
            ("$SIDE", self.side.to_string()),
            ("$EACH", (self.side * self.down() / 4).to_string()),
            ("$PASSES", self.rows().to_string()),
            ("$PORTIONS", self.portions()),
            ("$ZEROS", self.zeros()),
            ("$MULTIPLY", multiply),
            ("$GIVE", self.give()),
            ("$STORE", self.store()),
        ];
        shader::fill(&parts.join("\n"), &names, &traits)
    }

    /// The portions of a subgroup, which has more of them where it has more lanes than the least.
    fn portions(self) -> String {
        lines((0..self.shares()).map(|u| {
            let own = format!("subgroup * (size / {}u) + {u}u", self.subgroup[0]);
            format!("let portion{u} = portion_of({own});")
        }))
    }

    /// What a subgroup does for each of its portions. Compilers know the size of a subgroup, and drop what it has no lanes for. It is a
    /// loop of one turn or none, as naga does not know that the size is the same for all lanes, and refuses a branch.
    fn shared(self, text: impl Fn(usize) -> Vec<String>) -> String {
        lines((0..self.shares()).flat_map(|u| {
            let open = match u {
                0 => "{".to_owned(),
                _ => format!(
                    "for (var lanes = {}u; lanes < size; lanes += {LANES}u) {{",
                    u * self.subgroup[0]
                ),
            };
            [vec![open], text(u), vec!["}".to_owned()]].concat()
        }))
    }

    /// Rows and columns of all tiles of a portion.
    fn each(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows()).flat_map(move |i| (0..self.columns()).map(move |j| (i, j)))
    }

    /// Sums at their start.
    fn zeros(self) -> String {
        let shares = 0..self.shares();
        lines(shares.flat_map(|u| self.each().map(move |(i, j)| format!("var sum{u}_{i}_{j} = Sum();"))))
    }

    /// The products of what lies in workgroup memory. The left factor lies as `[rows][depth]` or, transposed, as `[depth][rows]`.
    fn multiply(self, transposed: bool) -> String {
        self.shared(|u| {
            let mut text = Vec::new();
            for step in (0..DEPTH).step_by(self.side) {
                text.push("{".to_owned());
                for j in 0..self.columns() {
                    let at = format!("{}u + portion{u}.column / 4u", step * WIDE + j * self.side / 4);
                    text.push(format!("let b{j} = coopLoadT<Right>(&right[{at}], {WIDE}u);"));
                }
                for i in 0..self.rows() {
                    let row = format!("(portion{u}.row + {}u)", i * self.side);
                    let load = match transposed {
                        false => format!("coopLoadT<Left>(&left[{row} * {LONG}u + {}u], {LONG}u)", step / 4),
                        true => format!("coopLoad<Left>(&left[{}u + {row} / 4u], {WIDE}u)", step * WIDE),
                    };
                    text.push(format!("let a{i} = {load};"));
                    for j in 0..self.columns() {
                        let sum = format!("sum{u}_{i}_{j}");
                        text.push(format!("{sum} = coopMultiplyAdd(a{i}, b{j}, {sum});"));
                    }
                }
                text.push("}".to_owned());
            }
            text
        })
    }

    /// One row of tiles of each portion goes to the lanes. naga evaluates what stands within a store behind it: all that a store needs
    /// has a name before.
    fn give(self) -> String {
        self.shared(|u| {
            let row = format!("portion{u}.row / {}u * {}u", BLOCK / self.down(), self.side * SUMS);
            let text = (0..self.columns()).map(|j| {
                let at = format!("{row} + portion{u}.column / 4u + {}u", j * self.side / 4);
                format!("{{ let at = {at};\nlet sum = sum{u}_$i_{j};\ncoopStoreT(sum, &gathered[at], {SUMS}u); }}")
            });
            text.collect()
        })
    }

    /// All tiles of a block, divided by the factor, go to the strip's partial sums.
    fn store(self) -> String {
        self.shared(|u| {
            let text = self.each().map(|(i, j)| {
                let row = format!("(portion{u}.row + {}u) * wide", i * self.side);
                let at = format!("to + {row} + portion{u}.column / 4u + {}u", j * self.side / 4);
                format!(
                    "{{ let at = {at};\nlet sum = factor.y * sum{u}_{i}_{j};\ncoopStoreT(sum, &scratch[at], wide); }}"
                )
            });
            text.collect()
        })
    }
}

fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// Groups of four channels in whole blocks.
pub fn rounded(c4: usize) -> usize {
    c4.next_multiple_of(COLUMNS)
}

/// Whether a product of so many channels by so many goes over tiles: they fill one.
pub fn pay(tile: Tile, channels: [usize; 2]) -> bool {
    channels.iter().all(|&channels| channels >= tile.side)
}
