# Makes transfer.svg and transfer.png from transfer.csv:  gnuplot transfer.gp
set datafile separator comma
set logscale x
set xtics (25, 50, 100, 200, 500, 1000)
set xrange [20:1250]
set xlabel 'int8 pairs to train on (points: medians; bars: smallest and largest over seeds)'
set ylabel 'pairwise accuracy on the test part, %'
set grid lc rgb '#e4e4e4' lt 1
set key bottom right
set terminal svg size 760,460 background rgb 'white'
set output 'transfer.svg'
plot 'transfer.csv' using (strcol(1) eq 'transfer' ? $2 : NaN):3:4:5 with yerrorlines pt 7 lc rgb '#0072b2' title 'transfer', \
     'transfer.csv' using (strcol(1) eq 'scratch' ? $2 : NaN):3:4:5 with yerrorlines pt 7 lc rgb '#d55e00' title 'scratch', \
     'transfer.csv' using (strcol(1) eq 'ridge' ? $2 : NaN):3:4:5 with yerrorlines pt 7 dt 2 lc rgb '#009e73' title 'ridge', \
     'transfer.csv' using (strcol(1) eq 'xgboost' ? $2 : NaN):3:4:5 with yerrorlines pt 7 dt 2 lc rgb '#8c8c8c' title 'xgboost'
set terminal pngcairo size 1520,920 fontscale 1.7 linewidth 2 pointscale 2
set output 'transfer.png'
replot
set output
