# Makes active.svg and active.png from active.csv:  gnuplot active.gp
set datafile separator comma
set logscale x
set xrange [0.0782912:1.5]
set xlabel 'limit of latency_ms (points: medians; bars: smallest and largest over seeds)' noenhanced
set ylabel 'measured accuracy of the network chosen, %'
set grid lc rgb '#e4e4e4' lt 1
set key bottom right
set terminal svg size 760,460 background rgb 'white'
set output 'active.svg'
plot 'active.csv' using (strcol(1) eq 'active' ? $2 : NaN):3:4:5 with yerrorlines pt 7 lc rgb '#d55e00' title 'active', \
     'active.csv' using (strcol(1) eq 'good' ? $2 : NaN):3:4:5 with yerrorlines pt 7 lc rgb '#009e73' title 'good', \
     'active.csv' using (strcol(1) eq 'chosen' ? $2 : NaN):3:4:5 with yerrorlines pt 7 lc rgb '#0072b2' title 'chosen', \
     'active.csv' using (strcol(1) eq 'random' ? $2 : NaN):3:4:5 with yerrorlines pt 7 lc rgb '#8c8c8c' title 'random', \
     'active.csv' using (strcol(1) eq 'start' ? $2 : NaN):3:4:5 with yerrorlines pt 7 lc rgb '#cc79a7' title 'start'
set terminal pngcairo size 1520,920 fontscale 1.7 linewidth 2 pointscale 2
set output 'active.png'
replot
set output
