use mnasnet_engine::*;
use mnasnet_model::*;
fn main() {
    let arg = |i: usize, d: &str| std::env::args().nth(i).unwrap_or(d.into());
    let (batch, res, threads): (usize, usize, usize) = (arg(1,"32").parse().unwrap(), arg(2,"224").parse().unwrap(), arg(3,"2").parse().unwrap());
    let network = Network::build(Variant::by_name(&arg(4,"mnasnet-b1")).unwrap(), 1.0, 1000, None).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut weights = mnasnet_model::init::initialise(&network, init::Scheme::by_name("torchvision").unwrap(), 1);
        let pixels: Vec<u8> = (0..batch*res*res*3).map(|i| (i.wrapping_mul(2654435761) >> 13) as u8).collect();
        let labels: Vec<u32> = (0..batch as u32).collect();
        let n = Normalise{scale:[0.017;3],shift:[-2.0;3]};
        let mut t = Trainer::new(&network, batch, res).unwrap();
        let loss = Loss{smoothing:0.1,convention:Smoothing::Uniform};
        let mut o = Optimizer::new(Rule::RmsProp{decay:0.9,momentum:0.9,epsilon:1e-3}, &network, 1e-5, |_|true);
        let mut times = vec![];
        for i in 0..8 { let s = std::time::Instant::now();
            let r = t.step(&mut weights, Pixels::U8(&pixels, n), &labels, loss, i).unwrap();
            o.step(&mut weights.parameters, t.gradients(), 1e-3);
            let e = s.elapsed().as_secs_f64(); if i>1 {times.push(e)}
            if i==7 {println!("loss {}", r.loss);} }
        times.sort_by(f64::total_cmp);
        println!("{:.1} ms min {:.1} -> {:.1} images/s", times[times.len()/2]*1e3, times[0]*1e3, batch as f64/times[times.len()/2]);
        println!("planned {} MiB", t.planned_bytes()>>20);
        let mut p = Predictor::new(&network, &weights, batch, res).unwrap();
        let mut times = vec![];
        for i in 0..8 { let s = std::time::Instant::now(); p.logits(Pixels::U8(&pixels, n), batch).unwrap(); if i>1 {times.push(s.elapsed().as_secs_f64())} }
        times.sort_by(f64::total_cmp);
        println!("infer {:.1} ms -> {:.1} images/s", times[times.len()/2]*1e3, batch as f64/times[times.len()/2]);
    });
}
