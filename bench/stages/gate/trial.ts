/** One stage of the gate: what is run, how often at a time, and what it is measured against. */
import type { CalibrationName } from "./calibrations.ts";

export interface Trial {
  readonly name: string;
  readonly calibration: CalibrationName;
  /** Some ten milliseconds of the stage. */
  readonly run: () => unknown;
}
