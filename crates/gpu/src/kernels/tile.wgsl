// Tiles of $SIDE by $SIDE of both factors lie in workgroup memory, as float16. A workgroup makes a block of 64 by 64 values, in portions
// of $TALL by $WIDE. A subgroup makes one of them, or several where it has more lanes than the least.
alias Left = coop_mat$SIDEx$SIDE<f16, A>;
alias Right = coop_mat$SIDEx$SIDE<f16, B>;
alias Sum = coop_mat$SIDEx$SIDE<f32, C>;
var<workgroup> left: array<vec4<f16>, $LEFT>;
var<workgroup> right: array<vec4<f16>, $RIGHT>;

struct Portion { row: u32, column: u32 }

fn portion_of(own: u32) -> Portion {
    return Portion(own / $ACROSSu * $TALLu, own % $ACROSSu * $WIDEu);
}
