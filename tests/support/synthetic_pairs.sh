#!/usr/bin/env bash
# synthetic_pairs FOLDER FP32 INT8: pairs of random networks of tiny.yaml whose accuracy is a formula: larger kernels,
# widths and depths gain, fewer bits lose. Two of the int8 pairs are elites, which are no samples.
synthetic_pairs() {
  mkdir -p "$1"
  awk -v folder="$1" -v fp32="$2" -v int8="$3" '
    function below(n) { return int(n * rand()) }
    function bits() { return 4 + 2 * below(3) }
    function block(low, high,    k, w, pw, pa, dw, da) {
      k = 3 + 2 * below(3); w = low + 8 * below((high - low) / 8 + 1)
      pw = bits(); pa = bits(); dw = bits(); da = bits()
      gain += 0.003 * k + 0.02 * w / high
      loss += 0.004 * (8 - pw) + 0.002 * (8 - pa) + 0.003 * (8 - dw) + 0.001 * (8 - da)
      return "k" k "w" w "p" pw "." pa "d" dw "." da
    }
    function network(    text) {
      gain = loss = 0
      text = block(16, 32)
      if (below(2)) text = text "+" block(32, 64)
      text = text "|" block(32, 64)
      if (below(2)) text = text "+" block(48, 96)
      return text
    }
    BEGIN {
      srand(1)
      file = folder "/pairs_fp32.csv"
      print "index,accuracy_validation,genome" >file
      for (i = 0; i < fp32; ++i) { g = network(); print i "," 0.7 + gain "," g >file }
      file = folder "/pairs_int8.csv"
      print "index,source,accuracy_validation,genome" >file
      for (i = 0; i < int8; ++i) { g = network(); print i "," (i < int8 - 2 ? "sample" : "elite") "," 0.7 + gain - loss "," g >file }
    }'
}
