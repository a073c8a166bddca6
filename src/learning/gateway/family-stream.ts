import type { LiveEvents, LiveStreams } from './live-events.ts'

const FAMILY = '/family'
const familyOf = (childId: string): string => childId + FAMILY

/** Whose stream it is, by the id of the child's own or of the family's. */
export const ownerOf = (streamId: string): string => (streamId.endsWith(FAMILY) ? streamId.slice(0, -FAMILY.length) : streamId)

/**
 * Two streams for each child: one for itself, and one for its family, which lacks what is withheld from it. Each is numbered
 * apart, so that the family finds neither a gap nor anything in its place, also when it comes back.
 */
export function withFamilyStreams(streams: LiveStreams): LiveEvents {
  return {
    publish(childId, event, heardBy = 'everyone') {
      if (heardBy !== 'family') streams.publish(childId, event)
      if (heardBy !== 'child') streams.publish(familyOf(childId), event)
    },
    subscribe: (childId, resume, reader) => streams.subscribe(reader.isFamily ? familyOf(childId) : childId, resume, reader),
    async delivered(childId) {
      await Promise.all([streams.delivered(childId), streams.delivered(familyOf(childId))])
    },
    forget(childId) {
      streams.forget(childId)
      streams.forget(familyOf(childId))
    },
    erase(childId) {
      streams.erase(childId)
      streams.erase(familyOf(childId))
    },
    sweep: () => streams.sweep(),
    get listeners() {
      return [...new Set(streams.listeners.map(ownerOf))]
    },
    get connected() {
      return streams.connected
    },
    close: () => streams.close(),
  }
}
