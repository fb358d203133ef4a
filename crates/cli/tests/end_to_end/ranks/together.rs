//! What ranks find out together: one message, one count, one refusal.

use super::*;

#[test]
fn what_one_rank_cannot_do_ends_all_with_one_message() {
    let place = Place::three_classes();
    for (arguments, code, message) in [
        ("train --data nowhere --out run", 3, "error: rank 0 on "),
        (
            "predict --weights x y",
            2,
            "started this as one of several ranks, but only `train`",
        ),
        ("bench train --batch 2", 2, "only `bench train --steps N`"),
    ] {
        let (found, stdout, stderr) = run(&place, 2, arguments);
        assert_eq!(found, code, "{arguments}\n{stdout}\n{stderr}");
        assert_eq!(stderr.matches(message).count(), 1, "{stderr}");
    }
    // Steps of one image on one pixel have no variance and no gradient: none is learnt from, and all ranks know when it is over.
    let (code, stdout, stderr) = run(
        &place,
        2,
        &format!("train {TINY} --batch_size 1 --lr_max 1000 --max_rollbacks 0 --out over"),
    );
    assert_eq!(code, 5, "{stdout}\n{stderr}");
    assert_eq!(stderr.matches("training diverged").count(), 1, "{stderr}");
    // A photo that one rank cannot read: saved before it, and mended, it ends as if nothing had been.
    let settings = format!("{TINY} {HALF}");
    done(&place, 2, &format!("train {settings} --out whole"));
    let photo = fs::read_dir(place.path("photos/val/watch"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let good = mnasnet_testing::place::hollow(&photo);
    let (code, _, stderr) = run(&place, 2, &format!("train {settings} --out run"));
    assert_eq!(code, 3, "{stderr}");
    assert_eq!(
        stderr
            .matches("; saved run/checkpoints/Mnasnet-rank0-1_6.safetensors")
            .count(),
        1,
        "{stderr}"
    );
    fs::write(&photo, good).unwrap();
    done(&place, 2, &format!("train {settings} --out run"));
    assert_eq!(tensors(&last(&place, "whole")), tensors(&last(&place, "run")));
}

/// Each rank in a folder of its own, as on machines of their own.
#[test]
fn ranks_that_have_other_photos_or_weights_are_told() {
    let (here, there) = (Place::three_classes(), Place::three_classes());
    let apart = |arguments: &str| {
        let mut command = command(&here, 1, arguments);
        command
            .args([":", "-n", "1", "--wdir"])
            .arg(there.folder.path())
            .arg(assert_cmd::cargo::cargo_bin("mnasnet"))
            .args(arguments.split_whitespace());
        let Output { status, stderr, .. } = Job::start(command).end();
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    };
    let train = format!("train {TINY} {HALF} --epoch_size 1");
    let (code, stderr) = apart(&format!("{train} --out run"));
    assert_eq!(code, 0, "{stderr}");
    assert!(here.path("run").exists() && !there.path("run").exists());
    fs::create_dir(there.path("run")).unwrap();
    fs::copy(
        here.path("run/checkpoints/best.safetensors"),
        there.path("run/best.safetensors"),
    )
    .unwrap();
    fs::rename(
        here.path("run/checkpoints/best.safetensors"),
        here.path("run/best.safetensors"),
    )
    .unwrap();
    let eval = "eval --data photos --weights run/best.safetensors";
    let (code, stderr) = apart(eval);
    assert_eq!(code, 0, "{stderr}");
    // Other weights, of the same network.
    there.done(&format!("{train} --seed 4 --out other"));
    fs::rename(
        there.path("other/checkpoints/best.safetensors"),
        there.path("run/best.safetensors"),
    )
    .unwrap();
    let refused = |arguments: &str, what: &str| {
        let (code, stderr) = apart(arguments);
        assert_eq!(code, 9, "{stderr}");
        assert_eq!(stderr.matches(what).count(), 1, "{stderr}");
    };
    refused(eval, "the weights differ: rank 0 on ");
    fs::copy(here.path("run/best.safetensors"), there.path("run/best.safetensors")).unwrap();
    let photos = there.path("photos/val/watch");
    let first = photos.join(&names(&photos)[0]);
    fs::remove_file(first).unwrap();
    refused(eval, "the validation photos differ: rank 0 on ");
    refused(
        &format!("{train} --out other"),
        "the validation photos differ: rank 0 on ",
    );
    assert!(!here.path("other").exists());
}

/// Photos that cannot be read may be all that one rank has.
#[test]
fn what_is_left_out_of_evaluation_is_the_same_for_any_number_of_ranks() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let eval = "eval --data photos --json --bad_images skip --weights run/checkpoints/best.safetensors";
    // The second of four ranks has the last photo of the first class and the first one of the next.
    let spoil = |class: &str, photo: usize| {
        let folder = place.path(&format!("photos/val/{class}"));
        let name = &names(&folder)[photo];
        fs::write(folder.join(name), "no photo").unwrap();
    };
    spoil("airplanes", 2);
    spoil("leopards", 0);
    let alone = place.json(eval);
    assert_eq!((&alone["images"], &alone["bad_images"]), (&7.into(), &2.into()));
    // Nor does it matter where ranks have no photo at all.
    for ranks in [2, 4, 11] {
        let together: serde_json::Value = serde_json::from_str(&done(&place, ranks, eval)).unwrap();
        for key in ["images", "bad_images", "correct1", "correct5"] {
            assert_eq!(together[key], alone[key], "{ranks} ranks: {key}");
        }
    }
    // Nor to what the model says of each photo, and to the order of the photos.
    place.json(&format!("{eval} --predictions alone.csv --report alone"));
    let rows = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    for ranks in [2, 11] {
        done(
            &place,
            ranks,
            &format!("{eval} --predictions together.csv --report together"),
        );
        assert_eq!(rows("together.csv"), rows("alone.csv"), "{ranks} ranks");
        let temperature = |folder: &str| {
            let report: serde_json::Value = serde_json::from_str(&rows(&format!("{folder}/report.json"))).unwrap();
            report["temperature"]["value"].as_f64().unwrap()
        };
        let (ours, theirs) = (temperature("together"), temperature("alone"));
        assert!((ours - theirs).abs() < 1e-6 * theirs, "{ranks} ranks: {ours} {theirs}");
    }
    for class in ["airplanes", "leopards", "watch"] {
        (0..3).for_each(|photo| spoil(class, photo));
    }
    let (code, _, stderr) = place.run(eval);
    assert_eq!(code, 3, "{stderr}");
    let (code, _, stderr) = run(&place, 2, eval);
    assert_eq!(code, 3, "{stderr}");
    assert_eq!(stderr.matches("error: rank 0 on ").count(), 1, "{stderr}");
    assert!(!stderr.contains("error: rank 1"), "{stderr}");
}

/// Ranks that were asked for different things would give one mixed result.
#[test]
fn ranks_that_are_asked_for_different_things_are_told() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --ema true --out run"));
    let eval = "exec $0 eval --data photos --weights run/checkpoints/Mnasnet-rank0-1_6.safetensors";
    let train = format!("exec $0 train {TINY} {HALF} --epoch_size 1 --out other");
    let bench = "exec $0 bench train --model mnasnet-small --width 0.35 --resolution 32 --steps 1 --batch 2";
    let with = |command: &str, more: &str| format!("{command} {more}");
    let isa = |command: &str| format!("export MNASNET_ISA=portable; {command}");
    for (commands, zero, one) in [
        ([eval.into(), with(eval, "--ema")], "--ema: false", "--ema: true"),
        (
            [with(eval, "--precision bf16"), eval.into()],
            "--precision: bf16",
            "--precision: auto",
        ),
        (
            [eval.into(), isa(eval)],
            "the instruction sets differ: rank 0 on ",
            "has portable; set MNASNET_ISA to",
        ),
        ([eval.into(), train.clone()], "the command: eval", "the command: train"),
        (
            [with(&train, "--seed 4"), with(&train, "--seed 5")],
            "--seed: 4",
            "--seed: 5",
        ),
        (
            [train.clone(), with(&train, "--sync_bn")],
            "--sync-bn: not given",
            "--sync-bn: true",
        ),
        (
            [train.clone(), isa(&train)],
            "the instruction sets differ: rank 0 on ",
            "has portable; set MNASNET_ISA to",
        ),
        (
            [bench.into(), with(bench, "--classes 10")],
            "--class-num: 1000",
            "--class-num: 10",
        ),
        (
            [train.clone(), with(&train, "--no_such")],
            "the command: train",
            "`--no_such` is no flag of `mnasnet ",
        ),
        (
            [with(eval, "--no_such"), eval.into()],
            "`--no_such` is no flag of `mnasnet ",
            "the command: eval",
        ),
        (
            [train.clone(), "exec $0 predict --weights w x".into()],
            "the command: train",
            "the command: predict",
        ),
    ] {
        let (code, stderr) = unlike(&place, [&commands[0], &commands[1]]);
        assert_eq!(code, 9, "{commands:?}\n{stderr}");
        let told: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(told.len(), 1, "{commands:?}\n{stderr}");
        let (before, after) = told[0].split_once(", rank 1 on ").unwrap();
        assert!(before.contains(zero) && after.contains(one), "{commands:?}\n{stderr}");
    }
    assert!(!place.path("other").exists());
    // Files of one name may hold different networks.
    for (folder, channels) in [("a", 8), ("b", 16)] {
        let block = format!("{{ stage = 0, kind = \"separable\", kernel = 3, channels = {channels} }}");
        fs::create_dir(place.path(folder)).unwrap();
        let rows = format!("name = \"net\"\nstem = 8\nhead = 8\nblocks = [{block}]");
        fs::write(place.path(folder).join("net.toml"), rows).unwrap();
    }
    let bench = "exec $0 bench train --model net.toml --resolution 32 --steps 1 --batch 2";
    let (code, stderr) = unlike(&place, [&format!("cd a; {bench}"), &format!("cd b; {bench}")]);
    assert_eq!(code, 9, "{stderr}");
    assert!(stderr.contains("the networks differ: rank 0 on "), "{stderr}");
}

/// What all ranks find alike is told by the first one alone.
#[test]
fn command_lines_are_judged_once() {
    let place = Place::three_classes();
    for (arguments, code, message) in [
        (
            "train --no_such_flag 1",
            2,
            "`--no_such_flag` is no flag of `mnasnet train`",
        ),
        ("train --rank_timeout 0", 2, "`--rank_timeout` must be "),
        ("train --rank_timeout 1e300", 2, "`--rank_timeout` must be "),
        ("train --rank_timeout nan", 2, "`--rank_timeout` takes a finite number"),
        ("train --wire f8", 2, "`--wire`"),
        ("train --lr_scaling sqrt", 2, "`--lr_scaling`"),
        (
            "train --data photos --device no-such-card",
            2,
            "no device is called `no-such-card`",
        ),
        ("train --data photos --device_target GPU", 2, "no GPU that a driver"),
        ("bench train --steps 1 --device gpu", 2, "no GPU that a driver"),
    ] {
        let (found, stdout, stderr) = run(&place, 2, arguments);
        assert_eq!(found, code, "{arguments}\n{stdout}\n{stderr}");
        assert_eq!(stderr.matches(message).count(), 1, "{arguments}\n{stderr}");
    }
    let (code, stdout, _) = run(&place, 3, "train --help");
    assert_eq!((code, stdout.matches("Usage:").count()), (0, 1));
    assert_eq!(names(place.folder.path()), ["photos"]);
    // An MPI that was started by the launcher of another one knows of no others.
    let mut other = place.command(&format!("train {TINY} --out run"));
    other.envs([("OMPI_COMM_WORLD_SIZE", "2"), ("OMPI_COMM_WORLD_RANK", "0")]);
    let Output { status, stderr, .. } = other.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("but not of the MPI that it was built with"), "{stderr}");
    assert!(!place.path("run").exists());
}
