"""Reference tables of the estimator: R1, R1b, R2, R8, R9, R11, the outliers of R10, and what a solve costs."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from groundrule.frames import MU_M3_S2, OMEGA_EARTH_RAD_S
from groundrule.verify import model
from groundrule.verify.batch import Batch, Priors
from groundrule.verify.crlb import bound, radial
from groundrule.verify.solve import Estimate, profile, solve
from verify_scene import HZ, NOISES, PLACE, WINDOWS, Runs, Scene, draw_pass, geometries, simulate

CHUNK = 2_000


def estimate(scene: Scene, runs: Runs, **options: object) -> tuple[Estimate, np.ndarray]:
    """Solve from the starts and their mirrors; the horizontal error of every mode [runs, modes]."""
    found = solve(runs.batch, runs.start_lat, runs.start_lon, light_time=scene.light_time, **options)  # type: ignore[arg-type]
    return found, runs.error_m(found.lat_deg, found.lon_deg)


def limits(scene: Scene, runs: Runs) -> np.ndarray:
    """Bound of every run: sqrt(P_EE + P_NN) at its truth [m]."""
    n = len(runs.batch)
    covariance = bound(
        runs.batch, np.full(n, runs.lat), np.full(n, runs.lon), runs.height_m, light_time=scene.light_time
    )
    return radial(covariance)


def many(scene, draws, count, looks, noise, rng, **options):
    """Errors of the best mode, bounds, and modes, made in pieces so that memory stays small."""
    errors, bounds, counts = [], [], []
    piece = max(len(draws), CHUNK * 60 // max(looks, 60) // len(draws) * len(draws))
    for begin in range(0, count, piece):
        runs = simulate(draws, min(piece, count - begin), looks, *noise, rng, **options)
        found, error = estimate(scene, runs)
        errors.append(error[:, 0])
        counts.append(found.count)
        bounds.append(limits(scene, runs))
    return np.concatenate(errors), np.concatenate(bounds), np.concatenate(counts)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def label(noise: tuple[float, float]) -> str:
    return f"{noise[0]:g} m, {noise[1]:g} Hz"


def r1(scene: Scene) -> None:
    """RMSE against the bound (3,000 runs, 40 geometries)."""
    draws = geometries(scene, *PLACE, 40, 1)
    stated = {
        ("1 fix", False, (150.0, 10.0)): "9251/10655/19277 1.15",
        ("1 fix", True, (150.0, 10.0)): "4019/3997/8024 0.99",
        ("15 s", False, (1.5, 1.0)): "271/265/596 0.98",
        ("15 s", True, NOISES[0]): "515/514/1063 1.00",
        ("15 s", True, NOISES[1]): "1688/1683/3659 1.00",
        ("15 s", True, NOISES[2]): "2680/2610/5132 0.97",
        ("60 s", False, NOISES[0]): "-/41/78",
        ("60 s", False, NOISES[1]): "-/72/134",
        ("60 s", False, NOISES[2]): "-/221/443",
        ("300 s", False, NOISES[0]): "-/12/21",
        ("300 s", False, NOISES[1]): "-/23/39",
        ("300 s", False, NOISES[2]): "-/51/90",
    }
    print("R1 window, cell, noise: bound rms / RMSE / P95 m on the correct side, ratio | wrong side | stated (set 1)")
    for (window, cell, noise), told in stated.items():
        rng = scene.rng(2, WINDOWS[window], int(cell), int(noise[0] * 10), int(noise[1]))
        error, limit, _ = many(scene, draws, scene.runs(3000), WINDOWS[window], noise, rng, cell=cell)
        right = error <= 6 * limit
        ratio = rms(error[right]) / rms(limit[right])
        print(
            f"  {window:5} {'cell' if cell else '':4} {label(noise):16} {rms(limit):8.0f} / {rms(error[right]):8.0f} / "
            f"{np.percentile(error[right], 95):8.0f}  {ratio:5.3f} | {np.mean(~right):6.2%} | {told}"
        )
    print("R1 15 s without cell: best mode on the wrong side | stated 3.9 %, 6.9 %, 16 % (set 1)")
    for noise, told in zip(NOISES, ("3.9 %", "6.9 %", "16 %"), strict=True):
        error, limit, _ = many(scene, draws, scene.runs(3000), 15, noise, scene.rng(3, int(noise[0]), int(noise[1])))
        print(f"  {label(noise):16} {np.mean(error > 6 * limit):6.2%} | {told}")


def r1b(scene: Scene) -> None:
    """P95 with cell prior, and the bound without it (12,000 runs, 400 geometries)."""
    draws = geometries(scene, *PLACE, max(40, round(400 * scene.share)), 2)
    stated = {
        NOISES[0]: ((8245, 8504), (1574, 1867), (80, 80), (395, 431), (39, 38), (12, 12)),
        NOISES[1]: ((8244, 8520), (4533, 4917), (142, 138), (1153, 1176), (66, 64), (23, 22)),
        NOISES[2]: ((8835, 9075), (6155, 6754), (447, 454), (2671, 2618), (200, 202), (51, 54)),
    }
    print(f"R1b P95 error m with cell at 1 fix, 15 s, 60 s | stated set 1/set 2 ({len(draws)} geometries)")
    for noise, told in stated.items():
        out = []
        for looks in (1, 15, 60):
            rng = scene.rng(4, looks, int(noise[0]), int(noise[1]))
            error, _, _ = many(scene, draws, scene.runs(12_000), looks, noise, rng, cell=True)
            out.append(np.percentile(error, 95))
        print(f"  {label(noise):16} " + "  ".join(f"{v:6.0f} | {a}/{b}" for v, (a, b) in zip(out, told[:3], strict=True)))
    print("R1b bound p50 m without cell at 15 s, 60 s, 300 s | stated set 1/set 2")
    for noise, told in stated.items():
        out = []
        for looks in (15, 60, 300):
            runs = simulate(draws, len(draws), looks, *noise, scene.rng(5))
            out.append(np.median(limits(scene, runs)))
        print(f"  {label(noise):16} " + "  ".join(f"{v:6.0f} | {a}/{b}" for v, (a, b) in zip(out, told[3:], strict=True)))


def r2(scene: Scene) -> None:
    """Bound by latitude (40 geometries each)."""
    stated = {
        "1 fix": "85815/4771/38904 21163/4424/51345 8266/4434/16371 15748/4743/11368 6542/4277/11446 10894/4678/14413 "
        "5611/4212/7990 44935/10298/51695 4280/4196/4816",
        "15 s": "7018/363/2025 1080/340/2205 748/355/939 896/323/1052 670/612/1042 659/360/1048 596/390/1057 4095/570/2825 707/605/1070",
        "60 s": "41/36/60 38/33/55 42/38/61 58/47/98 116/56/93 93/43/191 55/47/85 56/40/103 36/26/71",
        "300 s": "11/11/13 11/11/13 12/12/13 15/15/17 13/13/17 14/13/18 13/12/16 13/13/15 9/9/10",
    }
    print("R2 bound rms/p50/p95 m, 150 m, 10 Hz, by latitude | stated (set 1)")
    for k, lat in enumerate((0.0, 25.0, 43.5, 55.0, 60.0, 65.0, 70.0, 80.0, 90.0)):
        draws = geometries(scene, lat, PLACE[1], 40, 3, k)
        for window, looks in WINDOWS.items():
            runs = simulate(draws, 40, looks, 150.0, 10.0, scene.rng(6, k), lat=lat)
            limit = limits(scene, runs)
            told = stated[window].split()[k]
            print(f"  {lat:4.1f}N {window:5} {rms(limit):6.0f}/{np.median(limit):.0f}/{np.percentile(limit, 95):.0f} | {told}")


def _mirror_row(scene: Scene, draws: list, seconds: int, noise: tuple[float, float], f_sigma: float, *path: int) -> str:
    runs = simulate(draws, scene.runs(1500), seconds, *noise, scene.rng(7, *path), f_sigma=f_sigma)
    found, error = estimate(scene, runs)
    best = np.argmin(np.where(np.isnan(error), np.inf, error), axis=1)
    rows = np.arange(len(error))
    apart = np.zeros(len(error), bool)
    for m in range(error.shape[1]):
        away = (np.abs(error[:, m] - error[:, 0]) > 5e3) | (error[:, m] > 5e3) & (error[:, 0] < 5e3)
        apart |= away & (found.cost[:, m] - found.cost[:, 0] < 13.8)
    wrong = (best != 0) & (error[:, 0] - error[rows, best] > 5e3)
    false = wrong & ~apart
    return f"{np.mean(apart):6.2%}/{np.mean(wrong):6.2%} (single and wrong {np.sum(false)})"


def r8(scene: Scene) -> None:
    """Mirror: unresolved, and wrong mode lower (1,500 runs)."""
    columns = [((15.0, 10.0), 30.0), *((noise, 30.0) for noise in NOISES), ((150.0, 10.0), 0.3)]
    slots = {
        1: "95/55 95/54 96/47 95/54 100/68",
        5: "31/6.3 70/17 96/34 95/31 27/4.8",
        15: "5.7/.73 31/6.7 47/11 77/19 2.8/.13",
        30: "0/0 0/0 0/0 0/0 0/0",
    }
    tracked = {
        15: "1.7/.20 37/8.2 57/16 75/21 .5/0",
        30: "0/0 9.2/.67 30/3.0 57/16 .1/0",
        60: "0/0 0/0 1.8/.07 32/4.3 0/0",
        120: "0/0 0/0 0/0 4.8/.53 0/0",
        180: "0/0 0/0 0/0 2.2/.20 0/0",
    }
    print("R8 mirror: unresolved / wrong mode lower | stated (set 1)")
    rng = scene.rng(8)
    for name, table, draws in (
        ("slots", slots, geometries(scene, *PLACE, 40, 8)),
        ("tracked", tracked, [draw_pass(scene, *PLACE, rng) for _ in range(30)]),
    ):
        for seconds, row in table.items():
            for c, ((noise, f_sigma), told) in enumerate(zip(columns, row.split(), strict=True)):
                line = _mirror_row(scene, draws, seconds, noise, f_sigma, seconds, c, int(name == "tracked"))
                print(f"  {name:7} {seconds:4} s {label(noise):16} f {f_sigma:4} m/s {line} | {told} %")


def moving(batch: Batch, velocity: np.ndarray) -> Batch:
    """Put the motion of the terminals into noise-free looks; the reference time is the middle of the window."""
    from groundrule.verify.plain import predict

    axes, place = _site()
    looks = batch.looks.copy()
    terminal = batch.terminal_of_look
    for t in range(len(batch)):
        rows = terminal == t
        state = np.zeros(9)
        state[6:8] = velocity[t]
        looks[rows, model.LOOK_RANGE], looks[rows, model.LOOK_RATE] = predict(looks[rows], place, axes, state, light_time=False)
    return replace(batch, looks=looks)


def _site() -> tuple[np.ndarray, np.ndarray]:
    from groundrule.frames import enu_axes, geodetic_to_ecef

    return enu_axes(*PLACE), geodetic_to_ecef(*PLACE, 0.0)


def r9(scene: Scene) -> None:
    """Motion: bias of a static model, and what the velocity states give (linear; 40 geometries, 8 headings)."""
    draws = geometries(scene, *PLACE, 40, 9)
    stated = {
        15: ("3.0/8.3 7.1/19 25/69", "482/1023 2981/3822 25192/34137", "298/300"),
        60: ("2.0/4.1 4.6/9.5 16/34", "49/66 50/68 50/68", "0.4/0.9"),
        300: ("0.9/1.9 2.2/4.5 7.7/16", "12/14 12/14 12/14", "0.1/0.1"),
    }
    # The stated 15-s and 300-s biases are met with a known oscillator, not with the scenario's 0.1 ppm; both are shown.
    print("R9 static bias km p50/p95 at 30, 70, 250 m/s (f 30 m/s; f known); position m at velocity prior 1, 30, 300 m/s; speed")
    for looks, told in stated.items():
        runs = simulate(draws, 40, looks, 150.0, 10.0, scene.rng(10))
        bias = []
        for f_sigma, speed in ((30.0, 30.0), (30.0, 70.0), (30.0, 250.0), (0.0, 30.0), (0.0, 70.0), (0.0, 250.0)):
            still = runs.batch.under(Priors(f_sigma_m_s=f_sigma))
            out = []
            for heading in np.arange(8) * math.pi / 4:
                velocity = np.tile(speed * np.array([math.sin(heading), math.cos(heading)]), (40, 1))
                at = profile(moving(still, velocity), np.full(40, PLACE[0]), np.full(40, PLACE[1]), light_time=False)
                out.append(np.linalg.norm(np.linalg.solve(at.curvature, at.slope[..., None])[..., 0], axis=1))
            bias.append(f"{np.median(out) / 1e3:.1f}/{np.percentile(out, 95) / 1e3:.1f}")
        places, speeds = [], np.zeros(1)
        for sigma in (1.0, 30.0, 300.0):
            covariance = bound(
                runs.batch.under(Priors(velocity_sigma_m_s=sigma)), np.full(40, PLACE[0]), np.full(40, PLACE[1]), light_time=False
            )
            places.append(f"{np.median(radial(covariance)):.0f}/{np.percentile(radial(covariance), 95):.0f}")
            speeds = np.sqrt(np.linalg.eigvalsh(covariance[:, 6:8, 6:8])[:, 1])
        speed = f"{np.median(speeds):.2f}/{np.percentile(speeds, 95):.2f}"
        both = f"{' '.join(bias[:3])}; {' '.join(bias[3:])}"
        print(f"  {looks:4} s  {both} | {told[0]}   {' '.join(places)} | {told[1]}   {speed} | {told[2]}")


def r10_outliers(scene: Scene) -> None:
    """One-sided spikes on a share of the round-trip times (60 s, 150 m, 10 Hz, 4,000 runs): P95 m."""
    draws = geometries(scene, *PLACE, 40, 11)
    print("R10 spikes: P95 m least squares / Huber / clean, Huber over clean | stated")
    for share, told in ((0.05, "1123/85/81"), (0.10, "1559/89/81"), (0.20, "2223/103/77")):
        rng = scene.rng(12, int(share * 100))
        runs = simulate(draws, scene.runs(4000), 60, 150.0, 10.0, rng)
        _, clean = estimate(scene, runs)
        looks = runs.batch.looks.copy()
        hit = rng.uniform(size=len(looks)) < share
        looks[hit, model.LOOK_RANGE] += rng.exponential(10e3, hit.sum())
        spoilt = replace(runs, batch=replace(runs.batch, looks=looks))
        _, plain = estimate(scene, spoilt)
        _, huber = estimate(scene, spoilt, loss="huber")
        p = [np.percentile(e[:, 0], 95) for e in (plain, huber, clean)]
        print(f"  {share:4.0%}  {p[0]:.0f}/{p[1]:.0f}/{p[2]:.0f}  {p[1] / p[2]:.3f} | {told}")


def pole_pass(altitude_m: float, cross_deg: float, *, rate: bool, priors: Priors) -> tuple[float, float]:
    """Major and minor axis (1 sigma) of a terminal at the pole under a circular orbit, 37 rounds over 180 s."""
    radius = 6_371_000.0 + altitude_m
    n = math.sqrt(MU_M3_S2 / radius**3)
    tilt = math.radians(cross_deg)
    t = np.linspace(-90.0, 90.0, 37)
    # At mid-pass the satellite stands over the pole but for the offset; it moves along x there.
    r = radius * np.stack([np.sin(n * t), np.full_like(t, math.sin(tilt)) * np.cos(n * t), math.cos(tilt) * np.cos(n * t)], 1)
    v = radius * n * np.stack([np.cos(n * t), -math.sin(tilt) * np.sin(n * t), -math.cos(tilt) * np.sin(n * t)], 1)
    c, s = np.cos(OMEGA_EARTH_RAD_S * t), np.sin(OMEGA_EARTH_RAD_S * t)
    turned = [np.stack([c * q[:, 0] + s * q[:, 1], c * q[:, 1] - s * q[:, 0], q[:, 2]], 1) for q in (r, v)]
    r, v = turned
    v = v - OMEGA_EARTH_RAD_S * np.stack([-r[:, 1], r[:, 0], np.zeros_like(t)], 1)
    batch = Batch.build(
        dt_s=t, r_m=r, v_m_s=v, look_starts=[0, 37], slot_starts=[0, 1], covariance_m2=np.diag([1e-6] * 3), priors=priors,
        range_m=np.zeros(37), range_sigma_m=19.7, rate_m_s=np.zeros(37) if rate else None, rate_sigma_m_s=10 * HZ,
    )
    p = bound(batch, [90.0], [0.0], light_time=False)[0, :2, :2]
    low, high = np.sqrt(np.linalg.eigvalsh(p))
    return float(high), float(low)


def r11(scene: Scene) -> None:  # noqa: ARG001 - tables are called alike
    """Pole pass."""
    known = {"height_sigma_m": 0.0, "delta_sigma_m": 0.0}
    columns = (
        (550e3, False, known),
        (600e3, False, known),
        (600e3, False, {"height_sigma_m": 0.0, "delta_sigma_m": 30.0}),
        (600e3, False, {"height_sigma_m": 100.0, "delta_sigma_m": 30.0}),
        (600e3, True, known),
        (1200e3, False, known),
    )
    stated = {
        0.05: "429x6.0 457x6.3 1188x6.3 2660x6.3 282x5.7 764x10.9",
        0.2: "93x6.0 99x6.3 485x6.3 1943x6.3 85x5.7 163x10.9",
        1.0: "18x6.1 19x6.4 116x6.4 523x6.4 18x5.7 31x10.9",
    }
    # 6, 22 and 111 km are 0.05, 0.2 and 1 degree of the Earth's surface.
    print("R11 pole pass: 1-sigma major x minor m | stated (550; 600; 600 delta; 600 delta, h; 600 Doppler; 1200 km)")
    for cross, told in stated.items():
        row = []
        for altitude, rate, priors in columns:
            major, minor = pole_pass(altitude, cross, rate=rate, priors=Priors(**priors))  # type: ignore[arg-type]
            row.append(f"{major:.0f}x{minor:.1f}")
        print(f"  {cross * 111.19:4.0f} km  {' '.join(row)} | {told}")


def cost(scene: Scene) -> None:
    """Microseconds of CPU a solve on one core, best of five."""
    draws = geometries(scene, *PLACE, 40, 13)
    stated = {1: "4.0", 15: "8.9", 60: "18 (goal 20)", 300: "89"}
    print("cost us a solve (one start) / with mirrors / profile of a claim / solve with light time | stated")
    for looks, told in stated.items():
        count = {1: 8000, 15: 4000, 60: 2000, 300: 400}[looks]
        runs = simulate(draws, count, looks, 150.0, 10.0, scene.rng(14))
        calls = (
            lambda r=runs: solve(r.batch, r.start_lat, r.start_lon, mirrors=False, grid=False, light_time=False),
            lambda r=runs: solve(r.batch, r.start_lat, r.start_lon, light_time=False),
            lambda r=runs: profile(r.batch, r.start_lat, r.start_lon, light_time=False, enough=400.0),
            lambda r=runs: solve(r.batch, r.start_lat, r.start_lon, mirrors=False, grid=False, light_time=True),
        )
        out = []
        for call in calls:
            best = math.inf
            for _ in range(6):
                begin = time.process_time()
                call()
                best = min(best, time.process_time() - begin)
            out.append(best / count * 1e6)
        print(f"  {looks:4} looks  " + " / ".join(f"{v:6.1f}" for v in out) + f" | {told}")
    many = simulate(draws, 100_000, 20, 150.0, 10.0, scene.rng(15))
    begin = time.process_time()
    solve(many.batch, many.start_lat, many.start_lon, light_time=False)
    print(f"  100,000 terminals of 20 looks, all modes: {time.process_time() - begin:.1f} s of one core | 6 s of two cores")


TABLES = {"cost": cost, "r11": r11, "r9": r9, "r2": r2, "r1": r1, "r8": r8, "r10-outliers": r10_outliers, "r1b": r1b}
