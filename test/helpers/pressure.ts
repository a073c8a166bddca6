import type { TypedApp } from '../../src/platform/http/typed-app.ts'

/** Lets timers, sockets and promises have one turn of the event loop. */
export const turnOfTheLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Resolves when it is so. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await turnOfTheLoop()
}

/** Keeps the event loop busy, as a computation does that takes so long. */
function hold(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Holds up the event loop until the app sheds load. */
export async function putUnderPressure(app: TypedApp): Promise<void> {
  while (!app.isUnderPressure()) {
    hold(1_700)
    await turnOfTheLoop()
  }
}

/** Resolves when the app does not shed load (any more): a start on a busy machine holds the loop up, too. */
export async function relieved(app: TypedApp): Promise<void> {
  while (app.isUnderPressure()) await turnOfTheLoop()
}
