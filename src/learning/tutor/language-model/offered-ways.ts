import { z } from 'zod'
import { isAccessible } from '../../constellation/topic-map.ts'
import type { Curriculum, Passage } from '../../curriculum/curriculum.ts'
import type { Answer } from '../builtin.ts'
import { CHOICES } from '../choices.ts'
import type { Retrieval } from '../retrieval.ts'
import type { TutorChoice, TutorTurn } from '../tutor-model.ts'
import { cleaned, gist, isSpeakable } from './said.ts'

/** As long as the choices of the curriculum may be. */
const LONGEST_CHOICE = 60
/** Looking up one costs a search. */
const MOST_LOOKED_AT = 6

const Offer = z.union([
  z.object({ text: z.string(), icon: z.string().optional().catch(undefined) }),
  z.string().transform((text) => ({ text, icon: undefined as string | undefined })),
])

/**
 * Exactly three different ways on: those a language model offers that a child may take, then those of the curriculum.
 * A model's choice leads to the passage that surely answers it, so that any tutor can go on from it; if there is none, its
 * words are answered like a question. One that leads where it is closed, or to what has been told, is not offered.
 */
export function threeWaysOn(
  offered: unknown,
  waysOn: readonly TutorChoice[],
  turn: TutorTurn,
  answer: Answer,
  { curriculum, retrieval }: { readonly curriculum: Curriculum; readonly retrieval: Retrieval },
): TutorChoice[] {
  const { ageGroup, topic, map, said } = turn
  const told = new Set([...turn.told, answer.passage?.key])
  const justSaid = gist('choice' in said ? said.choice.text : said.question)
  const taken = new Set<string>()
  const chosen: TutorChoice[] = []
  const isOpen = (passage: Passage) => isAccessible(passage.topic, map) && (!passage.across || isAccessible(passage.across, map))

  function passageFor(text: string): Passage | undefined {
    const way = waysOn.find((known) => gist(known.text) === gist(text))
    if (way) return curriculum.passage(way.passage)
    const { passages, isSure } = retrieval.search(text, ageGroup, topic, () => true)
    return isSure ? passages[0] : undefined
  }
  function take(choice: TutorChoice): void {
    if (chosen.length === CHOICES || taken.has(gist(choice.text))) return
    if (choice.passage !== undefined && chosen.some((other) => other.passage === choice.passage)) return
    taken.add(gist(choice.text))
    chosen.push(choice)
  }

  const offers = z.array(z.unknown()).catch([]).parse(offered)
  for (const offer of offers.slice(0, MOST_LOOKED_AT)) {
    const parsed = Offer.safeParse(offer)
    const text = cleaned(parsed.data?.text ?? '').trim()
    if (text.length > LONGEST_CHOICE || !isSpeakable(text) || gist(text) === justSaid || chosen.length === CHOICES) continue
    const passage = passageFor(text)
    if (passage && (!isOpen(passage) || told.has(passage.key))) continue
    const icons = [parsed.data?.icon, passage?.icon, topic.icon]
    take({ text, icon: icons.find((icon) => icon !== undefined && curriculum.icons.has(icon)) as string, passage: passage?.key })
  }
  for (const way of waysOn) take(way)
  return chosen
}
