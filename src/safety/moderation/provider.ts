import OpenAI from 'openai'
import { z } from 'zod'
import { SECOND } from '../../platform/clock.ts'
import { type Category, gravestFirst } from './moderation.ts'

/** Judges a text by a provider's moderation endpoint, gravest first. Throws when it gives no judgement; the error holds nothing of the text. */
export type ProviderModerator = (text: string, signal: AbortSignal) => Promise<Category[]>

const LONGEST_MS = 4 * SECOND
const TRIES = 2

/** The provider's categories (OpenAI's moderation guide), as ours; their subcategories begin with them. */
const OURS: readonly (readonly [theirs: string, Category])[] = [
  ['self-harm', 'distress'],
  ['sexual', 'sexual'],
  ['violence', 'violence'],
  ['illicit', 'violence'],
  ['hate', 'hate'],
  ['harassment', 'bullying'],
]
const Judgement = z.object({ results: z.array(z.object({ flagged: z.boolean(), categories: z.record(z.string(), z.boolean().nullish()) })).min(1) })

/** A moderator behind an API of OpenAI's kind. */
export function providerModerator({
  apiKey,
  baseUrl,
  model,
}: {
  readonly apiKey: string
  readonly baseUrl: string
  readonly model: string
}): ProviderModerator {
  const client = new OpenAI({ apiKey, baseURL: baseUrl, organization: null, project: null, maxRetries: TRIES - 1, timeout: LONGEST_MS, logLevel: 'off' })
  return async (text, signal) => {
    const answer = await client.moderations.create({ model, input: text }, { signal }).catch(() => undefined)
    const judgement = Judgement.safeParse(answer)
    if (!judgement.success) throw new Error('the provider gave no judgement')
    const named = judgement.data.results.flatMap((result) => Object.entries(result.categories).flatMap(([name, holds]) => (holds ? [name] : [])))
    const found = OURS.filter(([theirs]) => named.some((name) => name === theirs || name.startsWith(`${theirs}/`) || name.startsWith(`${theirs}_`))).map(
      ([, ours]) => ours,
    )
    // What it flags without a category that we know is still not to be said.
    return found.length === 0 && judgement.data.results.some((result) => result.flagged) ? ['violence'] : gravestFirst(found)
  }
}
