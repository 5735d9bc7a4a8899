// Package similar finds the word that somebody may have meant.
package similar

// Word returns the one of names that differs from word by few letters, "" if
// none does.
func Word(word string, names []string) string {
	best, limit := "", max(1, min(3, len(word)/3))+1
	for _, n := range names {
		if d := distance(word, n); d < limit {
			best, limit = n, d
		}
	}
	return best
}

// distance returns the number of letters to insert, remove, replace or swap with
// their neighbour to turn a into b.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
