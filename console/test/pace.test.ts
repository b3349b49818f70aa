/** A map that moves is drawn with fewer pixels only where frames are slow, and with more again where they are quick. */
import { describe, expect, it } from 'vitest';
import { Pace, STEPS } from '../src/map/pace';

const after = (pace: Pace, frames: number, ms: number) => {
  for (let i = 0; i < frames; i++) pace.frame(ms);
  return pace.share;
};

describe('the pace of a map', () => {
  it('leaves quick frames and single slow ones alone', () => {
    const pace = new Pace();
    expect(after(pace, 200, 16.7)).toBe(1);
    expect(pace.frame(120)).toBe(false);
    expect(after(pace, 5, 16.7)).toBe(1);
    expect(pace.frame(10_000)).toBe(false);
    expect(pace.share).toBe(1);
  });

  it('goes down by steps and never below the last', () => {
    const pace = new Pace();
    expect(after(pace, 3, 60)).toBe(STEPS[1]);
    expect(after(pace, 3, 60)).toBe(STEPS[2]);
    expect(after(pace, 100, 60)).toBe(STEPS[STEPS.length - 1]);
  });

  it('goes up again where there is time to spare, and stays where there is just enough', () => {
    const pace = new Pace();
    after(pace, 6, 60);
    expect(after(pace, 500, 25)).toBe(STEPS[2]);
    expect(after(pace, 90, 8)).toBe(STEPS[1]);
    expect(after(pace, 90, 8)).toBe(1);
  });
});
