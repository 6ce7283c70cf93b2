// Who may do what to whom in a channel, as the server has it: for showing what would be refused to nobody.

/** The roles by rank, with the words for them. */
export const ROLES = { owner: "Owner", moderator: "Moderator", member: "Member", muted: "Muted" };
const RANK = { owner: 3, moderator: 2, member: 1, muted: 1 };

const isGuest = (user) => user.startsWith("~");

/** Whether one of this role keeps order. */
export const keeps = (role) => RANK[role] > 1;

/** What `mine` may do to somebody of the role `theirs`: some of "owner", "moderator", "member", "muted" (to give that
 *  role), "kick" and "ban". */
export function rights({ mine, theirs, user, me }) {
  const isSelf = user === me;
  if (!keeps(mine) || (isSelf && mine !== "owner") || (!isSelf && RANK[theirs] >= RANK[mine])) {
    return [];
  }
  const roles = mine === "owner" && !isGuest(user) ? ["owner", "moderator", "member", "muted"] : ["member", "muted"];
  const given = roles.filter((role) => role !== theirs && !(isSelf && role === "muted"));
  return isSelf ? given : [...given, "kick", "ban"];
}
