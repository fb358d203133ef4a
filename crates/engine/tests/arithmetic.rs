//! Losses and optimizers on their own against MindSpore's, PyTorch's and timm's runs of them.

use mnasnet_engine::{Loss, Rule, Smoothing, Span};
use mnasnet_kernels::Isa;
use mnasnet_kernels::update::update;
use mnasnet_model::{OptimizerKind, Role};
use mnasnet_testing::npy::{json, npy};
use serde_json::Value;

fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() <= tolerance, "{what}[{i}]: {a} instead of {e}");
    }
}

#[test]
fn losses_and_their_gradients_equal_mindspores() {
    for case in json("d_loss/cases.json").as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if name.contains("mismatch") {
            continue; // A class count that is not the logits' width: a quirk that we refuse instead.
        }
        let smoothing = case["smooth_factor"].as_f64().unwrap() as f32;
        let labels: Vec<u32> = case["labels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l.as_u64().unwrap() as u32)
            .collect();
        let logits = npy::<f32>(&format!("d_loss/{name}_logits.npy"));
        let expected = npy::<f32>(&format!("d_loss/{name}_grad.npy"));
        let mut gradient = vec![f32::NAN; logits.values.len()];
        let loss = Loss {
            smoothing,
            convention: Smoothing::Others,
        };
        let score = loss.evaluate(&logits.values, &labels, Some(&mut gradient));
        let truth = case["loss"].as_f64().unwrap();
        assert!(
            (score.loss - truth).abs() < 1e-6 * truth,
            "{name}: {} instead of {truth}",
            score.loss
        );
        assert_close(name, &gradient, &expected.values, 1e-7);
    }
}

fn floats(value: &Value) -> Vec<f32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap() as f32)
        .collect()
}

/// The tensors of a trace.
const NAMES: [&str; 3] = ["w", "fc.bias", "bn.gamma"];

#[test]
fn optimizers_trace_mindspores_steps() {
    let roles = [Role::Weight, Role::Bias, Role::Gamma];
    for trace in json("e_optim/traces.json").as_array().unwrap() {
        let number = |key: &str| trace[key].as_f64().unwrap() as f32;
        let mut parameters = Vec::new();
        let mut spans: Vec<Span> = Vec::new();
        for (name, role) in NAMES.iter().zip(roles) {
            let init = floats(&trace["init"][name]);
            // MindSpore's rule: everything decays but batch norm's gamma and beta.
            let decay = if role == Role::Gamma {
                0.0
            } else {
                number("weight_decay")
            };
            let range = parameters.len()..parameters.len() + init.len();
            spans.push(Span {
                range,
                decay,
                rate: 1.0,
            });
            parameters.extend(init);
        }
        let (rule, kind) = match trace["kind"].as_str().unwrap() {
            "rmsprop" => {
                let rule = Rule::RmsProp {
                    decay: number("decay"),
                    momentum: number("momentum"),
                    epsilon: number("epsilon"),
                };
                (rule, OptimizerKind::RmsProp)
            }
            "sgd" => {
                let rule = Rule::Sgd {
                    momentum: number("momentum"),
                    nesterov: false,
                };
                (rule, OptimizerKind::Sgd)
            }
            other => panic!("unknown optimizer {other}"),
        };
        for isa in Isa::available() {
            trace_on(isa, trace, (rule, kind), &spans, parameters.clone());
        }
    }
}

/// Follows the steps of a trace from `parameters` on.
fn trace_on(isa: Isa, trace: &Value, (rule, kind): (Rule, OptimizerKind), spans: &[Span], mut parameters: Vec<f32>) {
    let mut state: Vec<(&str, Vec<f32>)> = (kind.slots().iter())
        .map(|slot| (slot.name, vec![slot.initial; parameters.len()]))
        .collect();
    for (i, step) in trace["steps"].as_array().unwrap().iter().enumerate() {
        let gradients: Vec<f32> = NAMES
            .iter()
            .flat_map(|name| floats(&step["grad_unscaled"][name]))
            .collect();
        let lr = trace["lr"][i].as_f64().unwrap() as f32;
        let mut vectors = state.iter_mut().map(|(_, values)| &mut values[..]);
        let (first, second) = (vectors.next().unwrap(), vectors.next().unwrap_or(&mut []));
        let number = i as u64 + 1;
        update(isa, rule, spans, lr, number, &mut parameters, &gradients, first, second);
        let expected = |key: &str| -> Vec<f32> { NAMES.iter().flat_map(|name| floats(&step[key][name])).collect() };
        let what = format!("{} step {} on {}", trace["kind"], i + 1, isa.name());
        assert_close(&what, &parameters, &expected("param"), 1e-6);
        for (slot, values) in &state {
            assert_close(&format!("{what} {slot}"), values, &expected(slot), 1e-6);
        }
    }
}

/// Decoupled decay, a tensor at another rate, and a frozen one.
#[test]
fn optimizers_trace_pytorchs_and_timms_steps() {
    for trace in json("f_optim/traces.json").as_array().unwrap() {
        let (rule, kind) = match trace["kind"].as_str().unwrap() {
            "adamw" => {
                let (beta1, beta2, epsilon) = (0.9, 0.999, 1e-8);
                (Rule::AdamW { beta1, beta2, epsilon }, OptimizerKind::AdamW)
            }
            "lion" => {
                let (beta1, beta2) = (0.9, 0.99);
                (Rule::Lion { beta1, beta2 }, OptimizerKind::Lion)
            }
            other => panic!("unknown optimizer {other}"),
        };
        let (decays, factors) = (floats(&trace["decays"]), floats(&trace["factors"]));
        let mut end = 0;
        let mut spans = Vec::new();
        for (size, (decay, rate)) in floats(&trace["sizes"]).into_iter().zip(decays.into_iter().zip(factors)) {
            let range = end..end + size as usize;
            end = range.end;
            spans.push(Span { range, decay, rate });
        }
        for isa in Isa::available() {
            let mut parameters = floats(&trace["init"]);
            let mut state: Vec<(&str, Vec<f32>)> = (kind.slots().iter())
                .map(|slot| (slot.name, vec![slot.initial; parameters.len()]))
                .collect();
            for (i, step) in trace["steps"].as_array().unwrap().iter().enumerate() {
                let (lr, gradients) = (floats(&trace["rates"])[i], floats(&step["gradients"]));
                let mut vectors = state.iter_mut().map(|(_, values)| &mut values[..]);
                let (first, second) = (vectors.next().unwrap(), vectors.next().unwrap_or(&mut []));
                let number = i as u64 + 1;
                update(
                    isa,
                    rule,
                    &spans,
                    lr,
                    number,
                    &mut parameters,
                    &gradients,
                    first,
                    second,
                );
                let what = format!("{} step {number} on {}", kind.name(), isa.name());
                assert_close(&what, &parameters, &floats(&step["parameters"]), 1e-6);
                for (slot, values) in &state {
                    assert_close(&format!("{what} {slot}"), values, &floats(&step[*slot]), 1e-7);
                }
            }
        }
    }
}
