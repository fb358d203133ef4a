//! What cannot be done is refused in one sentence, with the exit code that `--help` promises.

use std::fs;
use std::process::Output;

use mnasnet_testing::place::refused;
use mnasnet_testing::{Place, TINY, text};

#[test]
fn command_line_and_settings() {
    let place = Place::three_classes();
    fs::write(place.path("bad.toml"), "batch_sizes = 3\n").unwrap();
    fs::write(place.path("mine.toml"), "batch_size = 3\n").unwrap();
    for (arguments, message) in [
        ("train --batchsize 3", "--batch"),
        (
            "train --batch_size 0",
            "error: `--batch_size` must be at least 1 and at most 65536, not 0",
        ),
        (
            "train --lr_decay_mode cosin",
            "`--lr_decay_mode` cannot be `cosin` (did you mean `cosine`?); it is one of linear, ",
        ),
        ("train --lr_decay_mode other", "(did you mean `mindspore-other`?)"),
        (
            "train --device_target Ascend",
            "--device_target Ascend: say GPU or CPU, or leave it out",
        ),
        (
            "train --run_distribute True",
            "start several by `mpirun -n 8 mnasnet …`, and leave it out",
        ),
        (
            "train --run_distribute yes",
            "--run_distribute is yes; say True or False",
        ),
        (
            "train --opt adam",
            "`--opt` cannot be `adam` (did you mean `adamw`?); it is one of rmsprop, sgd, adamw, lion",
        ),
        (
            "train --model mnasnet-b2",
            "`--model` cannot be used: unknown model `mnasnet-b2` (did you mean `mnasnet-b1`?); the models are ",
        ),
        (
            "train -m resnet50",
            "unknown model `resnet50`; the models are mnasnet-b1, ",
        ),
        (
            "bench train --model nope",
            "unknown model `nope`; the models are mnasnet-b1, ",
        ),
        (
            "train --config bad.toml",
            "bad.toml: unknown key `batch_sizes` (did you mean `batch_size`?)",
        ),
        ("train --config none.toml", "cannot read the configuration none.toml"),
        ("train --config imagnet", "(did you mean `imagenet`?)"),
        ("train --config mine", "(did you mean `./mine.toml`?)"),
        ("train --config sample --resume", "cannot be used with `--config`"),
        (
            "train --warmup_epochs 200",
            "`--warmup_epochs` is 200, longer than the run of 40 epochs; leave `--warmup_epochs` out, or say a longer \
             `--epoch-size`",
        ),
        ("train --mixup 1e-30", "`--mixup` must be 0 or at least 0.01, not "),
        ("info --width 0", "width multiplier 0 is out of range"),
        ("info --model resnet", "unknown model"),
        (
            "bench train --precision bf8",
            "`--precision` cannot be `bf8`; it is one of auto, f32, bf16",
        ),
        ("bench infer --units", "--units times `train` only"),
        (
            "bench data --data x --assert-best",
            "--assert-best times `train` and `infer` only",
        ),
        (
            "bench train --batch 0",
            "`--batch` must be at least 1 and at most 65536, not 0",
        ),
        (
            "bench train --resolution 0",
            "`--resolution` must be at least 1 and at most 4096, not 0",
        ),
        (
            "train --cache ram --cache_gib 0",
            "`--cache_gib` must be above 0 and at most 65536, not 0",
        ),
        (
            "predict --weights x",
            "`mnasnet predict` needs IMAGE|DIR|-; `mnasnet predict -h` shows how",
        ),
        (
            "train --fold 2",
            "`--fold` is one of the parts that `--folds` makes, and there are none: say how many, at least 2",
        ),
        (
            "train --epochs 5 --warmup 8",
            "`--warmup` is 8, longer than the run of 5 epochs; leave `--warmup` out, or say a longer `--epochs`",
        ),
        (
            "train photos --hflip 150%",
            "`--hflip` takes a number, not `150%`; it must be at least 0 and at most 1",
        ),
        (
            "train --time 1m --epochs 3",
            "`--time` does not go with `--epochs`; leave one of them out",
        ),
        (
            "train photos -o photos",
            "photos lies among the photos in photos, and the run would be taken for some; choose a folder outside by `-o`",
        ),
        (
            "train photos -o photos/new/run",
            "photos/new/run lies among the photos in photos, and the run would be taken for some",
        ),
    ] {
        refused(&place, arguments, 2, message);
    }
}

#[test]
fn an_instruction_set_that_is_not_there() {
    let place = Place::three_classes();
    for arguments in [
        &format!("train {TINY} --out run"),
        "bench infer --batch 1 --resolution 32",
    ] {
        let output = place.command(arguments).env("MNASNET_ISA", "mmx").output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        text::begins(&stderr, "error: MNASNET_ISA=mmx: this machine has ");
    }
}

#[test]
fn an_instruction_set_of_no_name_is_none() {
    let place = Place::three_classes();
    let bench = "bench infer --model mnasnet-small --batch 1 --resolution 32 --steps 1 --json";
    let output = place.command(bench).env("MNASNET_ISA", "").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn whoever_reads_json_gets_the_error_there_too() {
    let place = Place::three_classes();
    for (arguments, code, message) in [
        ("train --data none --json", 3, "cannot read none"),
        ("train --batch_size 0 --json", 2, "`--batch_size` must be at least 1"),
        ("eval --data none --weights none --json", 4, "none"),
        ("data check none --json", 3, "cannot read none"),
        (
            "bench train --resolution 0 --json",
            2,
            "`--resolution` must be at least 1",
        ),
        (
            "info --no-such-flag --json",
            2,
            "`--no-such-flag` is no flag of `mnasnet info`",
        ),
    ] {
        let (found, stdout, stderr) = place.run(arguments);
        let printed: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        let error = printed["error"].as_str().unwrap();
        assert_eq!(found, code, "{arguments}");
        assert!(
            error.contains(message) && stderr.contains(error),
            "{arguments}: {stdout}{stderr}"
        );
    }
    let config = place.json("train --data photos --print-config --json");
    assert_eq!(
        (&config["data"], &config["epoch_size"]),
        (&"photos".into(), &100.into())
    );
}

#[test]
fn photos() {
    let place = Place::three_classes();
    let train = |extra: &str| format!("train {TINY} --out run {extra}");
    fs::create_dir_all(place.path("empty")).unwrap();
    for (arguments, message) in [
        (
            "train".to_owned(),
            "no photos given, and no sample photos at data/sample",
        ),
        (train("--data none"), "cannot read none"),
        (train("--data empty"), "empty"),
        (
            train("--data photos/train --val_data photos/train"),
            "has no photos kept apart for validation",
        ),
        (
            train("--val_share 20%"),
            "there are validation photos already, photos/val: none are set aside",
        ),
        (
            train("--class-list photos"),
            "photos: it is a folder, and a file of text is wanted",
        ),
        (
            train("--image-dir none"),
            "`--image-dir` is none, and there is no such folder; name the folder by `--image-dir`",
        ),
        (
            train("--class_num 1000"),
            "`--class_num` is 1000, but photos/train has 3 classes; say `--class-num 0` to take as many as the data has",
        ),
    ] {
        refused(&place, &arguments, 3, message);
    }
    assert!(!place.path("run").exists(), "a refused run leaves nothing");
    fs::write(place.path("photos/train/watch/a.jpg"), "no photo").unwrap();
    refused(
        &place,
        &train("--epoch_size 1"),
        3,
        "photos/train/watch/a.jpg: not an image",
    );
}

#[test]
fn weights() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let best = place.path("run/checkpoints/best.safetensors");
    let bytes = fs::read(&best).unwrap();
    fs::write(place.path("cut.safetensors"), &bytes[..bytes.len() - 5]).unwrap();
    fs::write(place.path("text.safetensors"), "some text that is no file of weights").unwrap();
    fs::create_dir_all(place.path("empty")).unwrap();
    let b1 = TINY.replace("mnasnet-small", "mnasnet-b1");
    for (arguments, message) in [
        ("eval --data photos --weights none".to_owned(), "cannot read none"),
        (
            "eval --data photos --weights cut.safetensors".to_owned(),
            "cut.safetensors is not a whole safetensors file",
        ),
        (
            "predict --weights text.safetensors photos".to_owned(),
            "text.safetensors is text, which no reader of weights knows",
        ),
        ("train --resume empty".to_owned(), "no checkpoint in empty"),
        ("train --resume".to_owned(), "no checkpoint in runs"),
        (
            "train --resume photos".to_owned(),
            "cannot read photos: it holds photos, and no run; `mnasnet train photos` begins one",
        ),
        (
            "train photos --init resnet50".to_owned(),
            "cannot read resnet50: no such file or folder, and no name of pretrained weights; there are those of MNASNet alone: timm/",
        ),
        (
            format!("train {b1} --out b1 --init run/checkpoints/best.safetensors"),
            "has the weights of mnasnet-small (width 0.35), and another network is asked for, mnasnet-b1",
        ),
        (
            "train --resume run/checkpoints/best.safetensors --epoch_size 2".to_owned(),
            "holds weights only, nothing to go on from; to begin another run with its weights alone, say `--init run/",
        ),
    ] {
        refused(&place, &arguments, 4, message);
    }
    refused(
        &place,
        "train --resume run --model mnasnet-b1",
        2,
        "the run in run is one of mnasnet-small (width 0.35), and goes on as that: leave out what asks for mnasnet-b1",
    );
    refused(
        &place,
        &format!("train {TINY} --resume never --out run"),
        2,
        "run holds a run already, which is not begun anew; go on with it by `--resume run`",
    );
    refused(
        &place,
        "eval --data photos --weights run/checkpoints/best.safetensors --ema",
        2,
        "is of a run without a moving average; leave out --ema",
    );
    refused(
        &place,
        "train --resume run --seed 4 --epoch_size 2",
        3,
        "the run was begun with seed 3, not 4; to begin another run with its weights alone, say `--init run/",
    );
}

#[test]
fn a_run_that_diverges_keeps_its_last_checkpoint() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let checkpoint = place.path("run/checkpoints/Mnasnet-rank0-1_6.safetensors");
    let before = fs::read(&checkpoint).unwrap();
    // Every step multiplies every parameter by some -1000: float32 ends within a few.
    let wild = "--epoch_size 9 --warmup_epochs 0 --lr_max 1000 --weight_decay 1 --weight_decay_scope all";
    refused(
        &place,
        &format!("train --resume run {wild}"),
        5,
        "training diverged after 3 roll-backs: ",
    );
    assert!(fs::read(&checkpoint).unwrap() == before);
}

/// Without the feature nothing pretends to train together.
#[cfg(not(feature = "mpi"))]
#[test]
fn a_build_without_mpi_refuses_to_be_one_of_several() {
    let place = Place::three_classes();
    let with = |size: &str, rank: &str| {
        let mut command = place.command(&format!("train {TINY} --epoch_size 1 --out run"));
        command.envs([("OMPI_COMM_WORLD_SIZE", size), ("OMPI_COMM_WORLD_RANK", rank)]);
        let Output { status, stderr, .. } = command.output().unwrap();
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    };
    let (code, stderr) = with("2", "0");
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("this build has no MPI") && stderr.contains("--features mpi"),
        "{stderr}"
    );
    // Where rank 0 has ended nobody, it is told there too.
    assert_eq!(with("2", "1"), (2, stderr));
    assert!(!place.path("run").exists());
    assert_eq!(with("1", "0").0, 0);
}

/// What other launchers than MPI's leave: several tasks, each of which would work alone.
#[test]
fn tasks_that_know_nothing_of_each_other_are_refused() {
    let place = Place::three_classes();
    let with = |set: &str, arguments: &str| {
        let mut command = place.command(arguments);
        command.envs(set.split_whitespace().map(|pair| pair.split_once('=').unwrap()));
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (status.code().unwrap(), text)
    };
    let step = "SLURM_NTASKS=2 SLURM_PROCID=0 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2";
    for (set, launcher, variable) in [
        (step, "srun", "SLURM_STEP_NUM_TASKS"),
        ("RANK=0 WORLD_SIZE=2 LOCAL_RANK=0", "torchrun or its like", "WORLD_SIZE"),
        ("RANK_ID=0 RANK_SIZE=2", "a script of MindSpore's", "RANK_SIZE"),
        ("HOROVOD_RANK=0 HOROVOD_SIZE=2", "horovodrun", "HOROVOD_SIZE"),
    ] {
        for command in ["train --data photos --out run", "eval --data photos --weights w"] {
            let (code, [stdout, stderr]) = with(set, command);
            assert_eq!((code, stdout.as_str()), (2, ""), "{set}\n{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
            text::begins(&stderr, &format!("error: {launcher} started this as one of "));
            text::holds(&stderr, &format!(", or unset {variable} where "));
        }
        // What has no work to share is each task's own.
        assert_eq!(with(set, "info --model mnasnet-small").0, 0);
    }
    // Whoever is no first task, and perhaps the only process that there is, is told too.
    let (code, [_, stderr]) = with("RANK=1 WORLD_SIZE=2", "eval --data photos --weights w");
    assert!(code == 2 && stderr.contains(", or unset WORLD_SIZE where "), "{stderr}");
    // srun's only task is torchrun.
    let nested = "SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1 RANK=0 WORLD_SIZE=2";
    let (code, [_, stderr]) = with(nested, "eval --data photos --weights w");
    assert!(code == 2 && stderr.contains(", or unset WORLD_SIZE where "), "{stderr}");
    assert!(!place.path("run").exists());
    // A batch script is one process, however many tasks it may start; and one task is alone.
    for set in ["SLURM_NTASKS=2 SLURM_PROCID=0", "RANK=0 WORLD_SIZE=1"] {
        let (code, [_, stderr]) = with(set, &format!("train {TINY} --epoch_size 1 --out {}", &set[..4]));
        assert_eq!(code, 0, "{set}\n{stderr}");
    }
}
