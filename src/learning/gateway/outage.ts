import { setTimeout as delay } from 'node:timers/promises'
import { SECOND } from '../../platform/clock.ts'

/** For how long things wait for what does not answer before they go on without it. */
const PATIENCE_MS = SECOND
const FIRST_RETRY_MS = 25
const MAX_RETRY_MS = SECOND

export interface OutageHandlers {
  /** Resolves when the thing answers. */
  answers(): Promise<void>
  /** Patience has ended, or came to nothing. */
  onAlone(): void
  /** It answers again: does what was put off. Rejects, or stumbles, when it was too early. */
  resume(): Promise<void>
  /** Then whatever may take long. */
  catchUp(): Promise<void>
  onError(error: unknown): void
}

/** Something used over the network, which may be away for a while. */
export interface Outage {
  /** From the first failure until all is well: what needs the thing is put off, or done without it. */
  readonly isTroubled: boolean
  /** Patience has ended: things are done without it. */
  readonly isAlone: boolean
  /** False until everything that was put off is done, too. */
  readonly isOver: boolean
  /** Something failed. Begins to try again, for ever. */
  stumble(error?: unknown): void
  /** Waits no longer. */
  goAlone(): void
  close(): void
}

export function watchOutage(handlers: OutageHandlers): Outage {
  let isTroubled = false
  let isAlone = false
  let isClosed = false
  let recovering: Promise<void> | undefined
  let patience: NodeJS.Timeout | undefined

  function endPatience(): void {
    clearTimeout(patience)
    patience = undefined
  }

  function goAlone(): void {
    endPatience()
    if (isAlone || isClosed) return
    isAlone = true
    handlers.onAlone()
  }

  function losePatience(): void {
    patience = undefined
    // It answers, but there is much to put right.
    if (isTroubled) goAlone()
  }

  function stumble(error?: unknown): void {
    if (isClosed) return
    if (error !== undefined && !recovering) handlers.onError(error)
    isTroubled = true
    if (!isAlone) patience ??= setTimeout(losePatience, PATIENCE_MS)
    recovering ??= recover().finally(() => {
      recovering = undefined
      if (isTroubled) stumble()
    })
  }

  async function recover(): Promise<void> {
    for (let wait = FIRST_RETRY_MS; !isClosed; wait = Math.min(wait * 2, MAX_RETRY_MS)) {
      await delay(wait, undefined, { ref: false })
      const wasAlone = isAlone
      try {
        await handlers.answers()
        isTroubled = false
        isAlone = false
        await handlers.resume()
        if (!isTroubled) {
          endPatience()
          await handlers.catchUp()
          if (!isTroubled) return
        }
      } catch (error) {
        stumble(error)
      }
      if (wasAlone) goAlone()
    }
  }

  return {
    get isTroubled() {
      return isTroubled
    },
    get isAlone() {
      return isAlone
    },
    get isOver() {
      return !isAlone && recovering === undefined
    },
    stumble,
    goAlone,
    close() {
      isClosed = true
      endPatience()
    },
  }
}
