/** The gate's judgement, from samples to verdicts. Pure. */

/** CPU time of a stage and of its calibration, one after the other. */
export interface Sample {
  readonly stage: number;
  readonly calibration: number;
}

/** What each stage costs, in units of its calibration. */
export type Ratios = Readonly<Record<string, number>>;

/** How much more than accepted a stage may cost, and how much less is worth telling. */
export const changeMax = 0.1;

/**
 * Noise only ever adds time, to stage and calibration alike: each is taken for what it is in its
 * best round.
 */
export function stageRatio(samples: readonly Sample[]): number {
  const stage = Math.min(...samples.map((sample) => sample.stage));
  return stage / Math.min(...samples.map((sample) => sample.calibration));
}

/** Of several processes the middle one of each stage, the lower of two. */
export function middleRatios(processes: readonly Ratios[]): Ratios {
  const names = new Set(processes.flatMap((of) => Object.keys(of)));
  return Object.fromEntries(
    [...names].map((name) => {
      const sorted = processes.flatMap((of) => of[name] ?? []).sort((a, b) => a - b);
      return [name, sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN];
    }),
  );
}

/** `new`: nothing was accepted for the stage; `gone`: it was, but nobody measures it any more. */
export type Outcome = "same" | "slower" | "faster" | "new" | "gone";

export interface Verdict {
  readonly stage: string;
  readonly outcome: Outcome;
  readonly accepted: number | undefined;
  readonly measured: number | undefined;
}

function outcomeOf(accepted: number | undefined, measured: number | undefined): Outcome {
  if (accepted === undefined) return "new";
  if (measured === undefined) return "gone";
  // What is not a number is no proof of anything.
  if (!(measured <= accepted * (1 + changeMax))) return "slower";
  return measured < accepted * (1 - changeMax) ? "faster" : "same";
}

export function judge(accepted: Ratios, measured: Ratios): Verdict[] {
  const names = [...new Set([...Object.keys(measured), ...Object.keys(accepted)])];
  return names.map((stage) => {
    const pair = { accepted: accepted[stage], measured: measured[stage] };
    return { stage, outcome: outcomeOf(pair.accepted, pair.measured), ...pair };
  });
}

/** Only what got faster, or stayed, passes: what cannot be compared is not known to be good. */
export function isFailure({ outcome }: Verdict): boolean {
  return outcome === "slower" || outcome === "new" || outcome === "gone";
}

const shown = (ratio: number | undefined) => ratio?.toFixed(3) ?? "–";

function changeText(accepted: number, measured: number): string {
  const percent = Math.abs(100 * (measured / accepted - 1)).toFixed(1);
  return ` (${measured < accepted ? "−" : "+"}${percent} %)`;
}

/** A line for people: the stage, what was accepted, what it costs now. */
export function verdictLine({ stage, outcome, accepted, measured }: Verdict): string {
  const isPair = accepted !== undefined && measured !== undefined;
  const change = isPair ? changeText(accepted, measured) : "";
  const figures = `${shown(accepted).padStart(7)} → ${shown(measured).padStart(7)}`;
  return `${stage.padEnd(11)} ${figures}${change}${outcome === "same" ? "" : `  ${outcome}`}`;
}
