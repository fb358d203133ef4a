//! A device that takes images beside the step before theirs learns the same, and is told of the same photos.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use mnasnet_engine::{
    Beside, Cpu, Device, EngineError, Group, Images, Loss, Normalise, Optimizer, Pixels, Precision, Rule, Share,
    Smoothing, Snapshot, Step, StepReport, Trainer,
};
use mnasnet_model::{Network, OptimizerKind, Scheme, Variant, initialise};
use mnasnet_settings::config::Config;
use mnasnet_train::{Outcome, TrainError};
use mnasnet_weights_file::WeightsFile;

use crate::{Odd, config, last, run, sample};

/// Steps of `device` whose images it took ahead.
fn ahead(device: &Odd) -> usize {
    device.ahead.as_ref().unwrap().load(Ordering::Relaxed)
}

#[test]
fn the_bits_are_the_same_with_and_without() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    // Resolutions grow, the last batch of an epoch is a part, and batches are mixed by their numbers.
    let config = config(
        sample(),
        "checkpoint_every = \"1steps\"\nprogressive_from = 24\nmixup = 0.2\ncutmix = 1.0\ndrop_remainder = false\nprogressive_stages = 2\nprecise_bn_steps = 0",
    );
    run(&config, &Cpu::detect().unwrap(), &path("without"), usize::MAX).unwrap();
    let asking = Odd::asking();
    run(&config, &asking, &path("with"), usize::MAX).unwrap();
    let steps = last(&path("with")).record().progress.global_step as usize;
    // No step is before the first one of an epoch, and the loader of a busy machine may be late.
    let ahead = ahead(&asking);
    assert!(steps / 2 < ahead && ahead <= steps - 2, "{ahead} of {steps} steps");
    assert_eq!(last(&path("with")).differing(&last(&path("without"))), [""; 0]);

    // Stopped when the next batch is on the device already: it is taken again.
    for steps in [2, 1, steps / 2] {
        let Outcome::Interrupted { .. } = run(&config, &Odd::asking(), &path("stopped"), steps).unwrap() else {
            panic!("it went on to its end");
        };
    }
    run(&config, &Odd::asking(), &path("stopped"), usize::MAX).unwrap();
    assert_eq!(last(&path("stopped")).differing(&last(&path("without"))), [""; 0]);
}

/// Five photos of each class of the sample, one of them with half of its data.
fn with_a_bad_photo(place: &Path) {
    for part in ["train", "val"] {
        for class in fs::read_dir(sample().join(part)).unwrap() {
            let class = class.unwrap();
            let to = place.join(part).join(class.file_name());
            fs::create_dir_all(&to).unwrap();
            let mut photos: Vec<_> = fs::read_dir(class.path())
                .unwrap()
                .map(|file| file.unwrap().path())
                .collect();
            photos.sort();
            for photo in photos.iter().take(5) {
                fs::copy(photo, to.join(photo.file_name().unwrap())).unwrap();
            }
        }
    }
    let files = |folder: &Path| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let class = files(&place.join("train")).max().unwrap();
    let photo = files(&class).max().unwrap();
    let bytes = fs::read(&photo).unwrap();
    // Its ends are whole: all that is looked at before a run starts.
    fs::write(&photo, [&bytes[..bytes.len() / 2], &[0xff, 0xd9]].concat()).unwrap();
}

#[test]
fn a_bad_photo_is_told_when_its_batch_comes() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    with_a_bad_photo(&path("photos"));
    // Of a few seeds one has the bad photo in a later batch.
    let seeds = (1..10).map(|seed| format!("seed = {seed}\nbatch_size = 8"));
    let configs = seeds.map(|more| config(&path("photos"), &more));
    let stopped = |config: &Config, device: &dyn Device, name: &str| {
        let error = run(config, device, &path(name), usize::MAX).unwrap_err();
        match error {
            TrainError::Stopped { cause, .. } => Some((cause.to_string(), last(&path(name)))),
            TrainError::Data(_) => None,
            error => panic!("{error}"),
        }
    };
    let mut compared = 0;
    for (n, config) in configs.enumerate() {
        let without = stopped(&config, &Cpu::detect().unwrap(), &format!("without-{n}"));
        let with = stopped(&config, &Odd::asking(), &format!("with-{n}"));
        match (without, with) {
            (Some((cause, checkpoint)), Some((same, other))) => {
                assert_eq!(cause, same);
                let step = |of: &WeightsFile| of.record().progress.global_step;
                assert_eq!(step(&checkpoint), step(&other));
                assert_eq!(checkpoint.differing(&other), [""; 0]);
                compared += 1;
            }
            (None, None) => {}
            _ => panic!("seed {n}: one was told in the first step, and the other later"),
        }
    }
    assert!(compared > 2, "{compared}");
}

struct Next<'a>(Option<Pixels<'a>>);

impl Beside for Next<'_> {
    fn coming(&mut self) -> Option<Pixels<'_>> {
        self.0
    }
}

const SIZE: [usize; 2] = [2, 17];

fn trainer(device: &dyn Device) -> Trainer {
    let network = Network::build(Variant::by_name("mnasnet-small").unwrap(), 0.05, 10, None).unwrap();
    let rule = Rule::Sgd {
        momentum: 0.0,
        nesterov: false,
    };
    let optimizer = Optimizer::new(rule, &network, 0.0, |_| false);
    let weights = initialise(&network, Scheme::default(), 1);
    let start = Snapshot::fresh(weights, OptimizerKind::Sgd.slots());
    Trainer::new(device, &network, optimizer, &start, SIZE, Precision::F32).unwrap()
}

/// A step on some images; `next` may go beside it.
fn step(
    trainer: &mut Trainer,
    images: Images,
    labels: &[u32],
    next: Option<Pixels>,
) -> Result<StepReport, EngineError> {
    let loss = Loss {
        smoothing: 0.1,
        convention: Smoothing::Uniform,
    };
    let step = Step {
        images,
        targets: labels.into(),
        loss,
        dropout_seed: 1,
        bn_momentum: None,
    };
    let share = Share {
        group: &mut Group::alone(),
        whole: labels.len(),
        before: 0,
        sync_bn: false,
        tally: &mut [],
    };
    trainer.shared_step(step, share, &mut Next(next))
}

#[test]
fn images_that_are_not_the_next_steps_are_refused() {
    let [images, resolution] = SIZE;
    let device = Odd::asking();
    let (one, two) = (&mut trainer(&device), &mut trainer(&device));
    let pixels = |images: usize, resolution: usize, value: u8| vec![value; images * resolution * resolution * 3];
    let normalise = Normalise {
        scale: [0.017; 3],
        shift: [-2.0, -1.9, -1.8],
    };
    let [grey, white, large] = [
        (images, resolution, 99),
        (images, resolution, 255),
        (images, resolution + 1, 7),
    ]
    .map(|(images, resolution, value)| pixels(images, resolution, value));
    let [grey, white, large] = [&grey, &white, &large].map(|bytes| Pixels::U8(bytes, normalise));
    let labels = [1, 2];
    let refused = |result: Result<StepReport, EngineError>, reason: &str| {
        let said = result.unwrap_err().to_string();
        assert!(said.contains(reason), "{said}");
    };

    // Nothing has gone anywhere before the first step, and nothing goes that is not there.
    assert_eq!(one.sent(), None);
    step(one, grey.into(), &labels, None).unwrap();
    assert_eq!(one.sent(), None);
    // What does not fit does not go.
    step(one, grey.into(), &labels, Some(large)).unwrap();
    assert_eq!(one.sent(), None);

    // The next step takes them, and no other one.
    step(one, grey.into(), &labels, Some(white)).unwrap();
    let sent = one.sent().unwrap();
    let ahead = step(one, Images::Sent(sent), &labels, None).unwrap();
    assert_eq!(ahead, step(one, white.into(), &labels, None).unwrap());
    refused(
        step(one, Images::Sent(sent), &labels, None),
        "the images are not on the device",
    );
    step(one, grey.into(), &labels, Some(white)).unwrap();
    let old = one.sent().unwrap();
    step(one, grey.into(), &labels, Some(white)).unwrap();
    refused(
        step(one, Images::Sent(old), &labels, None),
        "the images are not on the device",
    );

    // Neither another trainer's step nor one of another plan does, nor one with other labels.
    step(one, grey.into(), &labels, Some(white)).unwrap();
    step(two, grey.into(), &labels, Some(white)).unwrap();
    refused(
        step(two, Images::Sent(one.sent().unwrap()), &labels, None),
        "the images are not on the device",
    );
    let sent = one.sent().unwrap();
    one.plan(images, resolution + 1).unwrap();
    assert_eq!(one.sent(), None);
    refused(
        step(one, Images::Sent(sent), &labels, None),
        "the images are not on the device",
    );
    step(one, large.into(), &labels, Some(large)).unwrap();
    let sent = one.sent().unwrap();
    refused(
        step(one, Images::Sent(sent), &labels[..1], None),
        "1 labels for the 2 images",
    );

    // What else is asked of the trainer between two steps changes nothing.
    one.plan(images, resolution).unwrap();
    step(one, grey.into(), &labels, Some(white)).unwrap();
    one.weights().unwrap();
    one.update(0.0, 1).unwrap();
    let sent = one.sent().unwrap();
    assert_eq!(ahead, step(one, Images::Sent(sent), &labels, None).unwrap());
}
