import { APIConnectionError, APIError } from 'openai'
import { z } from 'zod'
import { circuit } from '../../platform/circuit.ts'
import { type Clock, SECOND } from '../../platform/clock.ts'
import { openaiClient } from '../../platform/http/openai-client.ts'
import { retryAfterMs } from '../../platform/http/retry-after.ts'
import { type Category, gravestFirst } from './moderation.ts'

/**
 * Judges a text by a provider's moderation endpoint, gravest first. Throws ProviderFailure when it gives no judgement, or the
 * signal's reason once that has aborted; the request is then aborted as well.
 */
export type ProviderModerator = (text: string, signal: AbortSignal) => Promise<Category[]>

/** Why a text was not judged. `resting`: the provider was not asked, since it has failed too often. Holds nothing of the text, so that it can be logged. */
export class ProviderFailure extends Error {
  override readonly name = 'ProviderFailure'
  readonly kind: 'connection' | 'timeout' | 'status' | 'garbage' | 'resting'
  readonly status: number | undefined

  constructor(kind: ProviderFailure['kind'], status?: number) {
    super(`the provider gave no judgement: ${kind}${status === undefined ? '' : ` ${status}`}`)
    this.kind = kind
    this.status = status
  }
}

export interface ProviderAccess {
  readonly apiKey: string
  readonly baseUrl: string
  readonly model: string
}

export interface ProviderDeps {
  readonly clock: Clock
  /** Hears of every text that the provider was asked about and did not judge. */
  readonly onFailure: (failure: ProviderFailure) => void
}

export interface ProviderOptions {
  /** Until a text is judged, over all tries: a child waits for it. */
  readonly longestMs: number
  /** Further tries, while the provider is at fault. */
  readonly retries: number
  /** Texts in a row that were not judged before the provider is left alone for `restMs`. */
  readonly failuresToRest: number
  readonly restMs: number
}

export const PROVIDER_DEFAULTS: ProviderOptions = { longestMs: 4 * SECOND, retries: 1, failuresToRest: 5, restMs: 30 * SECOND }

/** An answer is read no further than this; a judgement is some 2,000. */
const MOST_BYTES = 65_536

/** The provider's categories (OpenAI's moderation guide), as ours; their subcategories begin with them. Who speaks of children so may tell of what was done to one. */
const OURS: readonly (readonly [theirs: string, Category])[] = [
  ['self-harm', 'distress'],
  ['sexual/minors', 'distress'],
  ['sexual', 'sexual'],
  ['violence', 'violence'],
  ['illicit', 'violence'],
  ['hate', 'hate'],
  ['harassment', 'bullying'],
]
const Judgement = z.object({ results: z.array(z.object({ flagged: z.boolean(), categories: z.record(z.string(), z.boolean().nullish()) })).min(1) })

/** A moderator behind an API of OpenAI's kind. */
export function providerModerator(access: ProviderAccess, { clock, onFailure }: ProviderDeps, overrides: Partial<ProviderOptions> = {}): ProviderModerator {
  const options = { ...PROVIDER_DEFAULTS, ...overrides }
  const breaker = circuit(clock, { failures: options.failuresToRest, restMs: options.restMs })
  const client = openaiClient(access, { mostBytes: MOST_BYTES, tooMuch: () => new ProviderFailure('garbage') })

  async function ask(text: string, signal: AbortSignal): Promise<Category[]> {
    const judgement = Judgement.safeParse(await client.moderations.create({ model: access.model, input: text }, { signal }))
    if (!judgement.success) throw new ProviderFailure('garbage')
    return categoriesIn(judgement.data)
  }

  /** How long the provider asked to be left alone. */
  const restAskedBy = (error: unknown) => (error instanceof APIError ? retryAfterMs(error.headers, clock) : undefined)

  async function askInTries(text: string, signal: AbortSignal): Promise<Category[]> {
    for (let failed = 0; ; failed += 1) {
      try {
        return await ask(text, signal)
      } catch (error) {
        if (signal.aborted || failed >= options.retries || !isPassing(error) || restAskedBy(error)) throw error
      }
    }
  }

  return async (text, signal) => {
    signal.throwIfAborted()
    if (!breaker.admits()) throw new ProviderFailure('resting')
    const deadline = AbortSignal.timeout(options.longestMs)
    try {
      const found = await askInTries(text, AbortSignal.any([signal, deadline]))
      breaker.succeeded()
      return found
    } catch (error) {
      signal.throwIfAborted()
      const failure = deadline.aborted ? new ProviderFailure('timeout') : failureOf(error)
      breaker.failed(restAskedBy(error))
      onFailure(failure)
      throw failure
    }
  }
}

/** Whether another try may do better. */
const isPassing = (error: unknown): boolean => error instanceof APIConnectionError || (error instanceof APIError && error.status >= 500)

function failureOf(error: unknown): ProviderFailure {
  if (error instanceof APIConnectionError) return new ProviderFailure('connection')
  if (error instanceof APIError && error.status !== undefined) return new ProviderFailure('status', error.status)
  return new ProviderFailure('garbage')
}

/** What was flagged, as ours. Some servers write the names with underscores. */
function categoriesIn({ results }: z.infer<typeof Judgement>): Category[] {
  const named = results.flatMap(({ categories }) => Object.entries(categories).flatMap(([name, holds]) => (holds ? [name.replaceAll('_', '-')] : [])))
  const isIn = (theirs: string) => named.some((name) => name === theirs || name.startsWith(`${theirs}/`) || name.startsWith(`${theirs}-`))
  const found = gravestFirst(OURS.flatMap(([theirs, ours]) => (isIn(theirs) ? [ours] : [])))
  // What it flags without a category that we know is still not to be said.
  return found.length === 0 && results.some(({ flagged }) => flagged) ? ['violence'] : found
}
