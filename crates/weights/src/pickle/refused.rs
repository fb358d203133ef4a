//! What is said of a pickle that imports more than weights need: what the pickle holds, and the way on.

/// Modules by which a pickle reaches the machine: no model needs them.
const MACHINE: &[&str] = &[
    "posix",
    "nt",
    "os",
    "sys",
    "subprocess",
    "shutil",
    "socket",
    "runpy",
    "importlib",
    "builtins",
    "__builtin__",
];

/// Beginnings of names that say what the file holds, and the way on.
const KNOWN: &[(&str, &str, &str)] = &[
    ("torch._utils._rebuild_qtensor", QUANTISED, UNQUANTISED),
    ("torch.qint8", QUANTISED, UNQUANTISED),
    ("torch.quint8", QUANTISED, UNQUANTISED),
    ("torch.qint32", QUANTISED, UNQUANTISED),
    ("torch.QInt", QUANTISED, UNQUANTISED),
    ("torch.QUInt", QUANTISED, UNQUANTISED),
    ("torch.per_tensor_affine", QUANTISED, UNQUANTISED),
    ("torch.per_channel_affine", QUANTISED, UNQUANTISED),
    (
        "torch._utils._rebuild_tensor_v3",
        "tensors of a type that PyTorch keeps apart, float8 for one",
        "save them as float32 in Python: c = torch.load(FILE); torch.save({k: v.float() for k, v in c.items()}, \"weights.pth\")",
    ),
    (
        "torch.distributed",
        "one rank's part of a model that several ranks trained",
        "gather all parts in Python, on every rank: torch.save(torch.distributed.checkpoint.state_dict.get_model_state_dict(model, \
         options=torch.distributed.checkpoint.state_dict.StateDictOptions(full_state_dict=True)), \"weights.pth\")",
    ),
];

const QUANTISED: &str = "quantised weights";
const UNQUANTISED: &str =
    "save the weights from before the quantisation in Python: torch.save(model.state_dict(), \"weights.pth\")";

/// Keys under which training scripts save a whole model.
const MODELS: &[&str] = &["model", "net", "network", "module", "ema", "model_ema", "ema_model"];

/// Why `module.name` is not imported, completing "PATH ...". It is the value of `key`, where it stands in a dictionary, or the `whole`.
pub(super) fn refused(module: &str, name: &str, key: Option<&str>, whole: bool) -> String {
    let cut = |text: &str| text.chars().take(120).collect::<String>();
    let called = format!("{module}.{name}");
    if let Some((_, what, way)) = KNOWN.iter().find(|row| called.starts_with(row.0)) {
        return format!("holds {what} ({}), which are not read here; {way}", cut(&called));
    }
    let asks = format!(
        "asks for {:?}, which no file of weights needs; nothing of it was run",
        cut(&called)
    );
    if MACHINE.contains(&module.split('.').next().unwrap_or_default()) {
        return format!("{asks}. No model needs it either: do not open this file in Python");
    }
    let load = "torch.load(FILE, weights_only=False)";
    let line = match key {
        _ if whole => format!("torch.save({load}.state_dict(), \"weights.pth\")"),
        Some(key) if MODELS.contains(&key) => format!("torch.save({load}[{key:?}].state_dict(), \"weights.pth\")"),
        Some(key) => format!("c = {load}; c.pop({:?}); torch.save(c, \"weights.pth\")", cut(key)),
        None => format!("torch.save({load}[\"state_dict\"], \"weights.pth\")"),
    };
    let holds = match (whole, key) {
        (true, _) => "It is a whole model, a program with weights inside".to_owned(),
        (false, Some(key)) => format!("It is a part of {:?}", cut(key)),
        (false, None) => "It is a part of what the file holds".to_owned(),
    };
    format!("{asks}. {holds}. If you trust whoever wrote the file, save the weights alone in Python: {line}")
}
