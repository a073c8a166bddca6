import type { AgeGroup } from '../../family/age-groups.ts'
import type { Curriculum, Passage, Topic } from '../curriculum/curriculum.ts'
import { kept } from '../curriculum/kept.ts'
import { type Heard, hearingWith } from './hearing.ts'
import { indexPassages, type PassageIndex } from './passage-index.ts'
import { listPassages, type PassageLists } from './passage-lists.ts'
import { ASSURED, assuranceOf, isBabble, type Nearness, rankOf } from './ranking.ts'
import { type LearnedWords, termsWith } from './terms.ts'
import { loadWordVectors, type WordVectors } from './word-vectors.ts'

const FINDINGS = 20
/** Likeness of the same words, but for rounding. */
const SAME_WORDS = 0.999
/** More than any other rank. */
const WRITTEN = 100

export interface Retrieval {
  /** Indexes the passages of an age group, unless that is done. Otherwise its first question waits for it. */
  prepare(ageGroup: AgeGroup): void
  /** True when a text holds no word at all. */
  isEmpty(question: string): boolean
  /** Looks for the answer to a question among the passages of topics that are allowed. */
  search(question: string, ageGroup: AgeGroup, topic: Topic, allowed: (topic: Topic) => boolean): Found
}

export interface Found {
  /** Best first: those written for these very words, then by rank; near topics before far ones. */
  readonly passages: readonly Passage[]
  /** Whether it is sure enough that the first one answers. */
  readonly isSure: boolean
}

/** A question that has been compared with the passages of an age group. */
interface Compared {
  readonly question: string
  readonly ageGroup: AgeGroup
  readonly heard: readonly Heard[]
  /** Undefined for a question that says nothing. */
  readonly agreements: ReturnType<PassageIndex['agreements']> | undefined
}

const passagesFor = (curriculum: Curriculum, ageGroup: AgeGroup): Passage[] => curriculum.topics.flatMap((topic) => curriculum.passagesOf(topic, ageGroup))

/** The words of all passages, and where they are: all of the search that can be made before a start. */
export interface LearnedPassages {
  readonly words: LearnedWords
  readonly lists: Readonly<Record<AgeGroup, PassageLists>>
}

/** Learns the passages of every age group. */
export function learnPassages(curriculum: Curriculum, vectors: WordVectors): LearnedPassages {
  const terms = termsWith(curriculum.synonyms, vectors.rowOf)
  const listsOf = (ageGroup: AgeGroup) => listPassages(passagesFor(curriculum, ageGroup), terms)
  const lists = { wonder_cubs: listsOf('wonder_cubs'), curious_explorers: listsOf('curious_explorers'), mind_masters: listsOf('mind_masters') }
  return { words: terms.keep(), lists }
}

/** Ranked search over the passages of each age group, in memory: by words, and by meaning (word vectors). */
export function passageRetrieval(curriculum: Curriculum): Retrieval {
  const vectors = loadWordVectors()
  const { words, lists } = kept('passages', () => learnPassages(curriculum, vectors))
  const terms = termsWith(curriculum.synonyms, vectors.rowOf, words)
  const hearing = hearingWith(terms, vectors)
  const indexes = new Map<AgeGroup, PassageIndex>()
  function indexFor(ageGroup: AgeGroup): PassageIndex {
    let index = indexes.get(ageGroup)
    if (!index) {
      index = indexPassages(passagesFor(curriculum, ageGroup), lists[ageGroup], terms, vectors)
      indexes.set(ageGroup, index)
    }
    return index
  }

  /** What was asked last: a turn looks it up two or three times, each time with other topics allowed. */
  let compared: Compared | undefined

  return {
    prepare: (ageGroup) => void indexFor(ageGroup),
    isEmpty: (question) => terms.read(question).length === 0,
    search(question, ageGroup, topic, allowed) {
      const index = indexFor(ageGroup)
      if (compared?.question !== question || compared.ageGroup !== ageGroup) {
        const heard = hearing.hear(question)
        compared = { question, ageGroup, heard, agreements: isBabble(heard) ? undefined : index.agreements(heard, hearing.meaningOf(heard)) }
      }
      const { heard, agreements } = compared
      if (!agreements) return { passages: [], isSure: false }
      const nextDoor = new Set(topic.connections.map((connection) => connection.topic))
      const nearnessOf = (passage: Passage): Nearness => (passage.topic === topic ? 'at_hand' : nextDoor.has(passage.topic) ? 'next_door' : 'far')
      const mayTell = (passage: Passage) => allowed(passage.topic) && (!passage.across || allowed(passage.across))
      const ranked = agreements(mayTell)
        .map((agreement) => ({ agreement, nearness: nearnessOf(agreement.passage), rank: rankOf(agreement, nearnessOf(agreement.passage)) }))
        .sort((a, b) => b.rank - a.rank)
        .slice(0, FINDINGS)
        .map((finding) =>
          finding.agreement.likeness > SAME_WORDS && index.isWrittenFor(finding.agreement.passage, heard)
            ? { ...finding, rank: finding.rank + WRITTEN }
            : finding,
        )
        .sort((a, b) => b.rank - a.rank)
      const [best] = ranked
      const isSure = best !== undefined && (best.rank >= WRITTEN || assuranceOf(best.agreement, best.nearness, heard, question) >= ASSURED)
      return { passages: ranked.map(({ agreement }) => agreement.passage), isSure }
    },
  }
}
