// Tiles of $SIDE by $SIDE of both factors lie in workgroup memory, as float16. A workgroup makes a block of 64 by 64 values. Each subgroup
// makes a portion of it, $TALL by $WIDE.
alias Left = coop_mat$SIDEx$SIDE<f16, A>;
alias Right = coop_mat$SIDEx$SIDE<f16, B>;
alias Sum = coop_mat$SIDEx$SIDE<f32, C>;
var<workgroup> left: array<vec4<f16>, $LEFT>;
var<workgroup> right: array<vec4<f16>, $RIGHT>;

struct Portion { row: u32, column: u32 }

// Where subgroups are smaller than $SUBGROUP, several of them make the same portion, and store the same.
fn portion_of(subgroup: u32, size: u32) -> Portion {
    let own = subgroup * size / $SUBGROUPu;
    return Portion(own / $ACROSSu * $TALLu, own % $ACROSSu * $WIDEu);
}
