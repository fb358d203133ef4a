//! A device that is lost in mid-run ends the run, and costs nothing that was saved.

use mnasnet_engine::{Cpu, EngineError};
use mnasnet_train::{Outcome, TrainError};
use mnasnet_weights_file::WeightsFile;

use crate::{Odd, config, last, run, sample};

#[test]
fn what_was_saved_before_a_device_is_lost_is_whole_and_goes_on_to_the_same_bits() {
    let config = config(sample(), "checkpoint_every = \"3steps\"");
    let place = tempfile::tempdir().unwrap();
    let (whole, broken) = (place.path().join("whole"), place.path().join("broken"));
    let cpu = Cpu::detect().unwrap();
    let Outcome::Finished { .. } = run(&config, &cpu, &whole, usize::MAX).unwrap() else {
        panic!("it was not stopped");
    };
    for updates in [4, 7] {
        let error = run(&config, &Odd::lost_after(updates), &broken, usize::MAX).unwrap_err();
        let TrainError::Lost { cause, kept, folder } = &error else {
            panic!("{error}");
        };
        assert!(matches!(cause, EngineError::Device(_)) && *folder == broken, "{error}");
        let kept = kept.as_ref().unwrap();
        assert!(
            WeightsFile::open(kept).unwrap().record().progress.global_step >= 3,
            "{error}"
        );
        let expected = format!("the card fell off the bus; the last checkpoint is {}", kept.display());
        assert_eq!(error.to_string(), expected);
    }
    run(&config, &cpu, &broken, usize::MAX).unwrap();
    assert_eq!(last(&broken).differing(&last(&whole)), [""; 0]);
}
